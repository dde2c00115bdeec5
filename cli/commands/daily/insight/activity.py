"""`mle activity`: what happened, and who did it."""

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any

from cli.failures import NotFound, UsageFailed
from cli.host.arm import path
from cli.verbs import Session, Verb, flag

_COLUMNS = ("time", "level", "resource", "text", "caller")


def activity(flags: argparse.Namespace, session: Session) -> Any:
    """Acts and what became of them, newest first."""
    if flags.max < 1:
        raise UsageFailed("--max: at least one.")
    found = islice(_records(session, flags), flags.max)
    return [{**each, "time": each["time"][:19].replace("T", " ")} for each in found]


def _records(session: Session, flags: argparse.Namespace) -> Iterator[Any]:
    query = {"$top": str(min(flags.max, 1000))}
    if flags.since:
        query["$filter"] = f"eventTimestamp ge '{flags.since.replace(chr(39), '')}'"
    return session.arm.pages(_where(flags, session), **query)


def _where(flags: argparse.Namespace, session: Session) -> str:
    if flags.job:
        return f"{path('jobs', flags.job)}/activity"
    if not flags.resource:
        return "activity"
    endpoint, slash, deployment = flags.resource.partition("/")
    for collection in ("onlineEndpoints", "batchEndpoints"):
        if session.arm.find(path(collection, endpoint)) is not None:
            parts = ("deployments", deployment) if slash else ()
            return f"{path(collection, endpoint, *parts)}/activity"
    raise NotFound(
        f"There is no endpoint {endpoint}.",
        hint="`mle activity` alone has what happened to endpoints that are gone.",
    )


VERBS = {
    "activity": Verb(
        activity,
        "What happened, and who did it, newest first: to the workspace, an endpoint, or a job.",
        (
            flag("resource", nargs="?", metavar="ENDPOINT[/DEPLOYMENT]", help="to this alone"),
            flag("--job", metavar="NAME", help="to this batch job"),
            flag("--since", metavar="TIME", help="since then, such as 2026-01-31T00:00:00Z"),
            flag(
                "--max", type=int, default=50, metavar="N", help="so many at most; 50 unless said"
            ),
        ),
        _COLUMNS,
        form="table",
    )
}
