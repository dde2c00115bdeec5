"""`mle client`: who may do what at a host that gives its tokens itself, and links that sign people
in to the studio."""

import argparse
import json
from typing import Any

from cli.collections import Named
from cli.host.arm import path
from cli.kinds.spans import whole_minutes
from cli.kinds.types import Json
from cli.output.console import say
from cli.resources import NAME_NEEDED, NO_WAIT, YES
from cli.verbs import Group, Session, Verb, flag

_COLUMNS = ("name", "role", "client_id", "created_at")


def shown(rest: Json) -> dict[str, Any]:
    """A client; its secret where the host tells it, which is once."""
    told = rest["properties"]
    return {
        "name": rest["name"],
        "role": told.get("role"),
        "client_id": told.get("clientId"),
        **({"client_secret": told["clientSecret"]} if "clientSecret" in told else {}),
        "created_at": rest["systemData"]["createdAt"],
    }


def set_client(flags: argparse.Namespace, session: Session) -> Any:
    body = {"properties": {"role": flags.role}}
    answer = session.arm.call("PUT", path("clients", flags.name), body)
    return shown(json.loads(answer.read()))


def renew(flags: argparse.Namespace, session: Session) -> Any:
    return shown(session.arm.post(path("clients", flags.name, "regenerateSecret")))


def link(flags: argparse.Namespace, session: Session) -> Any:
    """The link on stdout, alone in a line, and what it is good for beside it."""
    properties = {
        rest: whole_minutes(name, said)
        for rest, name, said in (
            ("expiresIn", "--expires-in", flags.expires_in),
            ("sessionLength", "--session", flags.session),
        )
        if said
    }
    where = path("clients", flags.name, "createSignInLink")
    made = session.arm.post(where, {"properties": properties})
    told = made["properties"]
    say(f"Signs one browser in to the studio as {flags.name}, once, until {told['expiresAt']}.")
    say(f"Revoke it: mle client unlink --name {flags.name} --link {made['name']}")
    return {"link": told["link"], "name": made["name"], "expires_at": told["expiresAt"]}


def links(flags: argparse.Namespace, session: Session) -> Any:
    return [_link(each) for each in session.arm.pages(path("clients", flags.name, "signInLinks"))]


def unlink(flags: argparse.Namespace, session: Session) -> None:
    """Whether or not it was used."""
    session.arm.change("DELETE", path("clients", flags.name, "signInLinks", flags.link))


def _link(rest: Json) -> dict[str, Any]:
    told = rest["properties"]
    return {
        "name": rest["name"],
        "state": told["state"],
        "expires_at": told["expiresAt"],
        "used_at": told["usedAt"],
        "used_from": told["usedFrom"],
        "ends_at": told["endsAt"],
        "created_by": rest["systemData"]["createdBy"],
    }


_ALL = Named("clients", "client", shown)
GROUP = Group(
    "who may do what, and links that sign in to the studio",
    {
        "set": Verb(
            set_client,
            "Make a client, whose secret is told this once, or give one another role.",
            (
                NAME_NEEDED,
                flag(
                    "--role", required=True, help="such as reader, or scorer/onlineEndpoints/iris"
                ),
            ),
        ),
        "show": Verb(_ALL.show, "Show a client.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(_ALL.list, "List clients.", (), _COLUMNS),
        "delete": Verb(_ALL.delete, "Delete a client.", (NAME_NEEDED, YES, NO_WAIT)),
        "renew-secret": Verb(
            renew, "Make its secret anew; the one before ends.", (NAME_NEEDED,), _COLUMNS
        ),
        "link": Verb(
            link,
            "Make a link that signs somebody in to the studio as a client, once.",
            (
                NAME_NEEDED,
                flag("--expires-in", metavar="TIME", help="how long it may wait (1d; up to 7d)"),
                flag("--session", metavar="TIME", help="how long it signs in for (7d; up to 30d)"),
            ),
        ),
        "links": Verb(
            links,
            "List a client's links, and who is signed in by one.",
            (NAME_NEEDED,),
            ("name", "state", "expires_at", "used_at", "used_from", "ends_at"),
        ),
        "unlink": Verb(
            unlink,
            "Revoke a link, and the session that it became.",
            (NAME_NEEDED, flag("--link", required=True, metavar="NAME", help="its name")),
        ),
    },
)
