"""Making and changing what a YAML file describes whole, below a collection of the workspace."""

import argparse
from typing import Any, NamedTuple

from cli.collections import Named
from cli.documents.reading import read
from cli.kinds.types import Json, Record
from cli.resources import (
    FILE,
    NAME,
    NAME_NEEDED,
    NO_WAIT,
    SET,
    UPDATES,
    YES,
    make,
    named,
    show,
)
from cli.verbs import Session, Verb


class Filed(NamedTuple):
    """Resources of one `record`; `columns` are what a table of them shows."""

    collection: str
    noun: str
    record: Record
    columns: tuple[str, ...]

    @property
    def all(self) -> Named:
        return Named(self.collection, self.noun, self.shown)

    def shown(self, rest: Json) -> dict[str, Any]:
        return show(self.record, rest)

    def create(self, flags: argparse.Namespace, session: Session) -> Any:
        given = {"name": flags.name}
        fields = read(self.record, self.noun, file=flags.file, given=given, sets=flags.set)
        return self._made(session, fields, named(flags, fields, self.noun))

    def update(self, flags: argparse.Namespace, session: Session) -> Any:
        there = self.shown(session.arm.get(self.all.where(flags.name)))
        known = self.record.named
        fields = read(
            self.record,
            self.noun,
            base={n: each for n, each in there.items() if n in known and not known[n].ignored},
            sets=flags.set,
            adds=flags.add,
            removes=flags.remove,
        )
        return self._made(session, fields, flags.name)

    def _made(self, session: Session, fields: dict[str, Any], name: str) -> Any:
        what, body = f"{self.noun} {name}", self.record.sent(fields)
        made = make(session, self.all.where(name), what, body, new=False, no_wait=False)
        return self.shown(made)

    def verbs(self) -> dict[str, Verb]:
        """That every such resource has."""
        noun, columns = self.noun, self.columns
        flags = (FILE, NAME, SET)
        return {
            "create": Verb(self.create, f"Make or replace an {noun}.", flags, columns),
            "update": Verb(self.update, f"Change an {noun}.", (NAME_NEEDED, *UPDATES), columns),
            "show": Verb(self.all.show, f"Show an {noun}.", (NAME_NEEDED,), columns),
            "list": Verb(self.all.list, f"List {noun}s.", (), columns, form="table"),
            "delete": Verb(self.all.delete, f"Delete an {noun}.", (NAME_NEEDED, YES, NO_WAIT)),
        }


def keys(collection: str) -> Verb:
    """The keys of one of a collection."""

    def run(flags: argparse.Namespace, session: Session) -> Any:
        return session.arm.post(f"{Named(collection, '', dict).where(flags.name)}/listKeys", {})

    return Verb(run, "Show its keys.", (NAME_NEEDED,))
