"""`mle connection`, with verbs and flags of `az ml connection`."""

import argparse
import getpass
import sys
from typing import Any

from cli.collections import Named
from cli.documents.reading import read
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.connections import AUTH_TYPES, CONNECTION
from cli.kinds.types import Json
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
from cli.verbs import Group, Session, Verb

_COLUMNS = ("name", "type", "target")
_SECRETS = {"pat": "pat", "username_password": "password"}


def shown(rest: Json) -> dict[str, Any]:
    """A connection as Azure's command line shows it; of its credentials the type alone."""
    properties = {name: each for name, each in rest["properties"].items() if name != "credentials"}
    types = {rest_type: word for word, rest_type in AUTH_TYPES.items()}
    found = show(CONNECTION, {**rest, "properties": properties})
    return {**found, "credentials": {"type": types.get(properties["authType"], "none")}}


def create(flags: argparse.Namespace, session: Session) -> Any:
    given = {"name": flags.name}
    fields = read(CONNECTION, "connection", file=flags.file, given=given, sets=flags.set)
    name = named(flags, fields, "connection")
    credentials = fields.setdefault("credentials", {"type": "none"})
    secret = _SECRETS.get(credentials["type"])
    if secret is not None and not credentials.get(secret):
        credentials[secret] = _asked(secret, fields["target"])
    return _made(session, fields, name)


def update(flags: argparse.Namespace, session: Session) -> Any:
    there = shown(session.arm.get(path("connections", flags.name)))
    fields = read(
        CONNECTION,
        "connection",
        base={name: there[name] for name in there if name in CONNECTION.named},
        sets=flags.set,
        adds=flags.add,
        removes=flags.remove,
    )
    return _made(session, fields, flags.name)


def _made(session: Session, fields: dict[str, Any], name: str) -> Any:
    body = CONNECTION.sent(fields)
    properties = body["properties"]
    # REST has the type beside what it is the type of. Without any of that, what is there remains.
    credentials = properties.pop("credentials")
    properties["authType"] = credentials.pop("authType")
    if credentials:
        properties["credentials"] = credentials
    where = path("connections", name)
    return shown(make(session, where, f"connection {name}", body, new=False, no_wait=False))


def _asked(secret: str, target: str) -> str:
    """Typed unseen, or the first line of what is piped in: neither a file nor the shell's history
    has it then."""
    if sys.stdin.isatty():
        told = getpass.getpass(f"{secret} for {target}: ")
    else:
        told = sys.stdin.readline().rstrip("\r\n")
    if not told:
        raise UsageFailed(f"A {secret} is needed: in the file, typed, or as a line on stdin.")
    return told


_ALL = Named("connections", "connection", shown)
GROUP = Group(
    "who may open package indexes",
    {
        "create": Verb(create, "Make or replace a connection.", (FILE, NAME, SET), _COLUMNS),
        "update": Verb(update, "Change a connection.", (NAME_NEEDED, *UPDATES), _COLUMNS),
        "show": Verb(_ALL.show, "Show a connection, without its secret.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(_ALL.list, "List connections.", (), _COLUMNS),
        "delete": Verb(_ALL.delete, "Delete a connection.", (NAME_NEEDED, YES, NO_WAIT)),
    },
)
