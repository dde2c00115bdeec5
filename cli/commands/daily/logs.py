"""`mle logs`: what a deployment, or the workers of a job, have printed, and what they print."""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.commands.by_resource.job import ENDED
from cli.commands.by_resource.online_deployment import CONTAINERS
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.spans import seconds_of
from cli.verbs import Session, Verb, flag

_WAIT = 15
_MISSED = "[mle] More was printed than is kept: some lines are not shown.\n"
_LEVELS = {"debug": "Debug", "info": "Information", "warning": "Warning", "error": "Error"}


def run(flags: argparse.Namespace, session: Session) -> Any:
    reader = LogReader(session, f"{_of(flags, session)}/getLogs", asked(flags))
    try:
        _write(reader.read())
        while flags.follow:
            # Asked before what is left is read: what came until its end is shown.
            is_over = flags.job is not None and _has_ended(session, flags.job)
            _write(reader.read(0 if is_over else _WAIT))
            if is_over:
                break
    except KeyboardInterrupt:
        return None
    return None


def _of(flags: argparse.Namespace, session: Session) -> str:
    if (flags.job is None) == (flags.deployment is None):
        raise UsageFailed("Whose log? `mle logs ENDPOINT[/DEPLOYMENT]` or `mle logs --job NAME`.")
    if flags.job is not None:
        return path("jobs", flags.job)
    endpoint, _, name = flags.deployment.partition("/")
    return path("onlineEndpoints", endpoint, "deployments", name or _only(session, endpoint))


def _has_ended(session: Session, job: str) -> bool:
    return session.arm.get(path("jobs", job))["properties"]["status"] in ENDED


def _write(content: str) -> None:
    sys.stdout.write(content)
    sys.stdout.flush()


def asked(flags: argparse.Namespace) -> dict[str, Any]:
    """What the host is asked for. Raises UsageFailed."""
    said = {
        "containerType": CONTAINERS[flags.container],
        "tail": flags.lines,
        "since": moment(flags.since),
        "level": _LEVELS.get(flags.level),
        "instance": flags.instance,
        "requestId": flags.request,
        "contains": flags.grep,
    }
    return {name: value for name, value in said.items() if value is not None}


class LogReader:
    """A log read on from where it was read to; `where` is the action's path, `body` what is asked
    of it."""

    def __init__(self, session: Session, where: str, body: dict[str, Any]) -> None:
        self._session = session
        self._where = where
        self._body = body

    def read(self, wait: int = 0) -> str:
        """What has come, each line ended; waits for something for so many seconds."""
        answer = self._session.arm.post(self._where, {**self._body, "wait": wait})
        self._body = {**self._body, "cursor": answer["cursor"]}
        content = f"{answer['content']}\n" if answer["lines"] else ""
        return f"{_MISSED if answer['missed'] else ''}{content}"


def moment(said: str | None) -> str | None:
    """A time, or how long ago."""
    if said is None:
        return None
    if said[-1:] in "smhd" and said[:-1].isdigit():
        seconds: float | None = int(said[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[said[-1]]
    else:
        seconds = seconds_of(said)
    if seconds is not None:
        return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    try:
        return datetime.fromisoformat(said).astimezone(UTC).isoformat(timespec="milliseconds")
    except ValueError:
        raise UsageFailed(
            f"--since {said}: neither a time nor how long ago.", hint="15m, 2h, 2026-01-31T12:00Z."
        ) from None


def _only(session: Session, endpoint: str) -> str:
    where = f"{path('onlineEndpoints', endpoint)}/deployments"
    names = [each["name"] for each in session.arm.pages(where)]
    if len(names) == 1:
        return str(names[0])
    session.arm.get(path("onlineEndpoints", endpoint))
    there = ", ".join(f"{endpoint}/{name}" for name in names) or "it has none"
    raise UsageFailed(f"Which deployment of {endpoint}? {there}.")


VERBS = {
    "logs": Verb(
        run,
        "The log of a deployment, or of a job's workers.",
        (
            flag("deployment", nargs="?", metavar="ENDPOINT[/DEPLOYMENT]"),
            flag("--job", metavar="NAME", help="of this batch job's workers"),
            flag(
                *("-f", "--follow"),
                action="store_true",
                help="go on until Ctrl-C, or until the job has ended",
            ),
            flag("-l", "--lines", type=int, default=200, help="so many to begin with (200)"),
            flag(
                "-c",
                "--container",
                default="inference-server",
                choices=tuple(CONTAINERS),
                help="which log",
            ),
            flag("--since", metavar="TIME", help="from a time on, or so long ago: 15m, 2h"),
            flag("--level", choices=tuple(_LEVELS), help="of this level and above"),
            flag("--instance", metavar="NAME", help="of one instance or worker"),
            flag("--request", metavar="ID", help="of one request, by its x-request-id"),
            flag("--grep", metavar="TEXT", help="lines with this text"),
        ),
    )
}
