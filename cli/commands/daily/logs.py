"""`mle logs`: what a deployment has printed, and what it prints."""

import argparse
import sys
import time
from typing import Any

from cli.commands.by_resource.online_deployment import CONTAINERS, logs
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.verbs import Session, Verb, flag

_EVERY = 1.0
_MOST = 5000


def run(flags: argparse.Namespace, session: Session) -> Any:
    endpoint, _, name = flags.deployment.partition("/")
    if not name:
        name = _only(session, endpoint)
    content = logs(session, endpoint, name, lines=flags.lines, container=flags.container)
    sys.stdout.write(content if content.endswith("\n") or not content else f"{content}\n")
    sys.stdout.flush()
    if not flags.follow:
        return None
    seen = content.splitlines()
    try:
        while True:
            time.sleep(_EVERY)
            now = logs(session, endpoint, name, lines=_MOST, container=flags.container).splitlines()
            for line in following(seen, now):
                sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            seen = now or seen
    except KeyboardInterrupt:
        return None


def following(seen: list[str], now: list[str]) -> list[str]:
    """The lines of `now` that come after those seen: after the last place in which the end of what
    was seen stands; all of them when it stands nowhere any more."""
    tail = seen[-20:]
    if not tail:
        return now
    for end in range(len(now), len(tail) - 1, -1):
        if now[end - len(tail) : end] == tail:
            return now[end:]
    return now


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
        "A deployment's log.",
        (
            flag("deployment", metavar="ENDPOINT[/DEPLOYMENT]"),
            flag("-f", "--follow", action="store_true", help="go on until Ctrl-C"),
            flag("-l", "--lines", type=int, default=200, help="so many to begin with (200)"),
            flag(
                "-c",
                "--container",
                default="inference-server",
                choices=tuple(CONTAINERS),
                help="which log",
            ),
        ),
    )
}
