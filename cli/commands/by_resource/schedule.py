"""`mle schedule`, with verbs and flags of `az ml schedule`."""

import argparse
from collections.abc import Callable
from typing import Any

from cli.collections import Named
from cli.documents.reading import read
from cli.host.arm import path
from cli.kinds.schedules import SCHEDULE
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

_COLUMNS = ("name", "is_enabled", "next_trigger_time", "trigger")


def shown(rest: Any) -> dict[str, Any]:
    """A schedule as Azure's command line shows it."""
    return show(SCHEDULE, rest)


def create(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(SCHEDULE, "schedule", file=flags.file, given={"name": flags.name}, sets=flags.set)
    return _made(session, fields, named(flags, fields, "schedule"), no_wait=flags.no_wait)


def _made(session: Session, fields: dict[str, Any], name: str, *, no_wait: bool) -> Any:
    body = SCHEDULE.sent(fields)
    body["properties"]["action"]["actionType"] = "InvokeBatchEndpoint"
    where = path("schedules", name)
    made = make(session, where, f"schedule {name}", body, new=False, no_wait=no_wait)
    return shown(made) if made else None


def update(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(
        SCHEDULE,
        "schedule",
        base=_there(session, flags.name),
        sets=flags.set,
        adds=flags.add,
        removes=flags.remove,
    )
    return _made(session, fields, flags.name, no_wait=flags.no_wait)


def _there(session: Session, name: str) -> dict[str, Any]:
    rest = session.arm.get(path("schedules", name))
    return {"name": name, **SCHEDULE.shown(rest)}


def switch(*, enabled: bool) -> Callable[..., Any]:
    """The verb that switches a schedule on or off."""

    def run(flags: argparse.Namespace, session: Session) -> Any:
        fields = {**_there(session, flags.name), "is_enabled": enabled}
        read_again = read(SCHEDULE, "schedule", base=fields)
        return _made(session, read_again, flags.name, no_wait=flags.no_wait)

    return run


def trigger(flags: argparse.Namespace, session: Session) -> Any:
    told = session.arm.post(f"{path('schedules', flags.name)}/trigger")
    return {"job_name": told["submissionId"], "schedule_action_type": told["scheduleActionType"]}


_ALL = Named("schedules", "schedule", shown)
GROUP = Group(
    "jobs by the clock",
    {
        "create": Verb(create, "Make or replace a schedule.", (FILE, NAME, SET, NO_WAIT), _COLUMNS),
        "update": Verb(update, "Change a schedule.", (NAME_NEEDED, *UPDATES, NO_WAIT), _COLUMNS),
        "show": Verb(_ALL.show, "Show a schedule.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(_ALL.list, "List schedules.", (), _COLUMNS),
        "delete": Verb(_ALL.delete, "Delete a schedule.", (NAME_NEEDED, YES, NO_WAIT)),
        "trigger": Verb(trigger, "Do what it does now, beside its times.", (NAME_NEEDED,)),
        "enable": Verb(switch(enabled=True), "Switch it on.", (NAME_NEEDED, NO_WAIT), _COLUMNS),
        "disable": Verb(switch(enabled=False), "Switch it off.", (NAME_NEEDED, NO_WAIT), _COLUMNS),
    },
)
