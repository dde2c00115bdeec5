"""What the verbs of every collection of resources do alike: show one, list them, delete one."""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from cli.host.arm import path
from cli.kinds.types import Json
from cli.resources import delete
from cli.verbs import Session


class Named(NamedTuple):
    """Resources by name, below the workspace. `shown` makes of REST's what is shown."""

    collection: str
    noun: str
    shown: Callable[[Json], dict[str, Any]]

    def where(self, name: str) -> str:
        return path(self.collection, name)

    def show(self, flags: argparse.Namespace, session: Session) -> Any:
        return self.shown(session.arm.get(self.where(flags.name)))

    def list(self, flags: argparse.Namespace, session: Session) -> Any:
        return [self.shown(rest) for rest in session.arm.pages(self.collection)]

    def delete(self, flags: argparse.Namespace, session: Session) -> Any:
        delete(session, self.where(flags.name), f"{self.noun} {flags.name}", flags)


class Deployments(NamedTuple):
    """The deployments of endpoints of one collection."""

    collection: str
    shown: Callable[[Json], dict[str, Any]]

    def where(self, endpoint: str, name: str) -> str:
        return path(self.collection, endpoint, "deployments", name)

    def show(self, flags: argparse.Namespace, session: Session) -> Any:
        return self.shown(session.arm.get(self.where(flags.endpoint_name, flags.name)))

    def list(self, flags: argparse.Namespace, session: Session) -> Any:
        where = f"{path(self.collection, flags.endpoint_name)}/deployments"
        return [self.shown(rest) for rest in session.arm.pages(where)]

    def delete(self, flags: argparse.Namespace, session: Session) -> Any:
        where = self.where(flags.endpoint_name, flags.name)
        delete(session, where, f"deployment {flags.endpoint_name}/{flags.name}", flags)
