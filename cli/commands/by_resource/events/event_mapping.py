"""`mle event-mapping`: events of other systems that start batch jobs."""

import argparse
from typing import Any

from cli.commands.by_resource.events.filed import Filed, keys
from cli.kinds.events import EVENT_MAPPING
from cli.resources import NAME_NEEDED
from cli.verbs import Group, Session, Verb, flag

_COLUMNS = ("name", "endpoint_name", "deployment_name", "events_uri")
_TAKEN = ("status", "type", "subject", "job", "error")
_MAPPINGS = Filed("eventMappings", "event mapping", EVENT_MAPPING, _COLUMNS)


def events(flags: argparse.Namespace, session: Session) -> Any:
    """What became of those that it has taken."""
    where = f"{_MAPPINGS.all.where(flags.name)}/events"
    return [
        {
            "event_id": each["eventId"],
            "source": each["source"],
            "type": each["type"],
            "subject": each["subject"],
            "status": each["status"],
            "job": each["job"],
            "error": each["error"]["message"] if each["error"] else None,
        }
        for each in session.arm.pages(where)
    ]


def new_key(flags: argparse.Namespace, session: Session) -> Any:
    body = {"keyType": flags.key_type.capitalize()}
    return session.arm.post(f"{_MAPPINGS.all.where(flags.name)}/regenerateKeys", body)


GROUP = Group(
    "events of other systems that start jobs",
    {
        **_MAPPINGS.verbs(),
        "events": Verb(
            events,
            "What became of the events of the last week.",
            (NAME_NEEDED,),
            _TAKEN,
            form="table",
        ),
        "get-keys": keys("eventMappings"),
        "regenerate-keys": Verb(
            new_key,
            "Make a key anew; the other goes on.",
            (
                NAME_NEEDED,
                flag("--key-type", required=True, choices=("primary", "secondary")),
            ),
        ),
    },
)
