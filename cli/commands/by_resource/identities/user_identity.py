"""`mle identity`, with verbs and flags of `az identity`."""

import argparse
from typing import Any

from cli.commands.by_resource.identities.group_scope import group_of, resource_group
from cli.host.arm import path
from cli.kinds.types import Json
from cli.resources import NAME_NEEDED, YES
from cli.verbs import Group, Session, Verb, flag

_COLLECTION = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
_COLUMNS = ("name", "principalId", "clientId")
_TAGS = flag("--tags", nargs="*", default=[], metavar="NAME=VALUE", help="what it carries")
_LOCATION = flag("-l", "--location", help=argparse.SUPPRESS)


def _where(session: Session, name: str) -> str:
    return f"{group_of(session)}/{_COLLECTION}/{path(name)}"


def _shown(rest: Json) -> dict[str, Any]:
    return {
        **{name: rest[name] for name in ("id", "name", "type", "location", "tags")},
        **rest["properties"],
        "resourceGroup": resource_group(rest["id"]),
    }


def create(flags: argparse.Namespace, session: Session) -> Any:
    tags = dict(each.partition("=")[::2] for each in flags.tags)
    where = _where(session, flags.name)
    session.arm.change("PUT", where, {"location": flags.location or "local", "tags": tags})
    return _shown(session.arm.get(where))


def show(flags: argparse.Namespace, session: Session) -> Any:
    return _shown(session.arm.get(_where(session, flags.name)))


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    return [_shown(rest) for rest in session.arm.pages(f"{group_of(session)}/{_COLLECTION}")]


def remove(flags: argparse.Namespace, session: Session) -> None:
    where = _where(session, flags.name)
    session.arm.get(where)  # `az` asks nothing, but knows one that is there
    session.arm.change("DELETE", where)


GROUP = Group(
    "identities that endpoints and computes are given",
    {
        "create": Verb(create, "Make an identity.", (NAME_NEEDED, _LOCATION, _TAGS), _COLUMNS),
        "show": Verb(show, "Show an identity.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(list_all, "List identities.", (), _COLUMNS),
        "delete": Verb(remove, "Delete an identity and its roles.", (NAME_NEEDED, YES)),
    },
)
