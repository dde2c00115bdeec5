"""`mle dead-letter`: messages that could not be handled, and having them handled after all."""

import argparse
from typing import Any

from cli.failures import UsageFailed
from cli.host.arm import path
from cli.resources import NO_WAIT, YES, delete
from cli.verbs import Group, Session, Verb, flag

_COLUMNS = ("queue", "name", "reason", "description", "deliveries", "enqueued")
_QUEUE = flag("--queue", metavar="QUEUE", required=True, help="such as batch-jobs")
_NAME = flag("-n", "--name", required=True, help="its number, as `list` has it")


def shown(rest: Any, queue: str) -> dict[str, Any]:
    told = rest["properties"]
    return {
        "queue": queue,
        "name": rest["name"],
        "reason": told["reason"],
        "description": told["description"],
        "deliveries": told["deliveryCount"],
        "enqueued": told["enqueuedAt"],
        "dead_lettered": told["deadLetteredAt"],
        "body": told["body"],
        "body_bytes": told["bodyBytes"],
        "properties": told["properties"],
    }


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    """Of one queue, or of all that have any."""
    if flags.queue:
        queues = [flags.queue]
    else:
        told = session.arm.get("queues")["value"]
        queues = [each["name"] for each in told if each["properties"]["deadLetters"]]
    return [
        shown(rest, queue)
        for queue in queues
        for rest in session.arm.pages(path("queues", queue, "deadLetters"))
    ]


def show(flags: argparse.Namespace, session: Session) -> Any:
    return shown(session.arm.get(_where(flags)), flags.queue)


def replay(flags: argparse.Namespace, session: Session) -> Any:
    """Those that are named, or all there are now."""
    if bool(flags.name) == flags.all:
        raise UsageFailed("Either --name, once or with several numbers, or --all.")
    where = f"{path('queues', flags.queue)}/replay"
    if flags.name:
        return session.arm.post(where, {"names": flags.name})
    # What fails again is put aside again: only what is there now.
    letters = session.arm.pages(path("queues", flags.queue, "deadLetters"))
    names, replayed = [each["name"] for each in letters], 0
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        replayed += session.arm.post(where, {"names": some})["replayed"]
    return {"replayed": replayed}


def remove(flags: argparse.Namespace, session: Session) -> Any:
    delete(session, _where(flags), f"dead letter {flags.queue}/{flags.name}", flags)


def _where(flags: argparse.Namespace) -> str:
    return path("queues", flags.queue, "deadLetters", flags.name)


_AT_ONCE = 100
GROUP = Group(
    "messages that could not be handled",
    {
        "list": Verb(
            list_all,
            "List messages that queues have put aside.",
            (flag("--queue", metavar="QUEUE", help="of this queue; of all, if none"),),
            _COLUMNS,
            form="table",
        ),
        "show": Verb(show, "Show one, with its body.", (_QUEUE, _NAME), _COLUMNS),
        "replay": Verb(
            replay,
            "Have messages delivered after all, once what they failed by is mended.",
            (
                _QUEUE,
                flag("-n", "--name", nargs="+", help="their numbers, as `list` has them"),
                flag("--all", action="store_true", help="all of the queue"),
            ),
            ("replayed",),
        ),
        "delete": Verb(remove, "Remove one for good.", (_QUEUE, _NAME, YES, NO_WAIT)),
    },
)
