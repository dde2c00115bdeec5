"""`mle event-subscription`: who is told what happens."""

import argparse
from typing import Any

from cli.commands.by_resource.events.filed import Filed, keys
from cli.failures import UsageFailed
from cli.kinds.events import EVENT_SUBSCRIPTION
from cli.resources import NAME_NEEDED
from cli.verbs import Group, Session, Verb, flag

_COLUMNS = ("name", "state", "destination", "reason")
_LETTERS = ("id", "type", "subject", "reason", "attempts", "last_fault")
_ALL = Filed("eventSubscriptions", "event subscription", EVENT_SUBSCRIPTION, _COLUMNS)


def validate(flags: argparse.Namespace, session: Session) -> Any:
    return _ALL.shown(session.arm.post(f"{_ALL.all.where(flags.name)}/validate", {}))


def dead_letters(flags: argparse.Namespace, session: Session) -> Any:
    where = f"{_ALL.all.where(flags.name)}/deadLetters"
    return [
        {
            "id": each["event"]["id"],
            "type": each["event"]["type"],
            "subject": each["event"].get("subject"),
            "reason": each["reason"],
            "attempts": each["attempts"],
            "last_fault": each.get("lastFault"),
        }
        for each in session.arm.pages(where)
    ]


def redeliver(flags: argparse.Namespace, session: Session) -> Any:
    """That of one event, or the oldest 500."""
    if bool(flags.event_id) == flags.all:
        raise UsageFailed("Either --event-id or --all.")
    body = {"eventId": flags.event_id} if flags.event_id else {}
    return session.arm.post(f"{_ALL.all.where(flags.name)}/redeliver", body)


GROUP = Group(
    "who is told what happens",
    {
        **_ALL.verbs(),
        "get-keys": keys("eventSubscriptions"),
        "validate": Verb(
            validate, "Ask its destination anew whether it agrees.", (NAME_NEEDED,), _COLUMNS
        ),
        "dead-letters": Verb(
            dead_letters,
            "List events that it could not be given.",
            (NAME_NEEDED,),
            _LETTERS,
            form="table",
        ),
        "redeliver": Verb(
            redeliver,
            "Deliver dead letters after all.",
            (
                NAME_NEEDED,
                flag("--event-id", help="that of this event"),
                flag("--all", action="store_true", help="the oldest 500"),
            ),
        ),
    },
)
