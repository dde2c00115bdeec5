"""`mle traffic`, `mle rollout` and `mle rollback`."""

import argparse
import time
from typing import Any

from cli.documents.reading import pairs
from cli.failures import CommandFailed, TimedOut, UsageFailed
from cli.host.arm import path
from cli.output.console import say
from cli.resources import finish
from cli.verbs import Session, Verb, flag


def traffic(flags: argparse.Namespace, session: Session) -> Any:
    """Show the split, or make it what is said: deployments that are left out get none."""
    where = path("onlineEndpoints", flags.endpoint)
    there = session.arm.get(where)["properties"]
    said = pairs(flags.split, "the split", "=:")
    properties: dict[str, Any] = {}
    if said is not None:
        properties["traffic"] = {**dict.fromkeys(there["traffic"], None), **_whole(said)}
    if flags.mirror is not None:
        mirror = pairs(flags.mirror, "--mirror", "=:") if flags.mirror else None
        properties["mirrorTraffic"] = _whole(mirror) if mirror else None
    if properties:
        operation = session.arm.change("PATCH", where, {"properties": properties})
        finish(session, f"traffic of {flags.endpoint}", operation, no_wait=False)
        there = session.arm.get(where)["properties"]
    return [
        {
            "deployment": name,
            "traffic": there["traffic"].get(name, 0),
            "mirror": (there.get("mirrorTraffic") or {}).get(name, 0),
        }
        for name in sorted(
            {
                *there["traffic"],
                *(there.get("mirrorTraffic") or {}),
                *(each["name"] for each in session.arm.pages(f"{where}/deployments")),
            }
        )
    ]


def _whole(said: dict[str, str]) -> dict[str, int]:
    try:
        return {name: int(value.rstrip("%")) for name, value in said.items()}
    except ValueError:
        raise UsageFailed(f"{said}: whole percents belong here.") from None


def rollout(flags: argparse.Namespace, session: Session) -> Any:
    """Where a rollout stands; with `--wait` once it is over. Raises CommandFailed where it has gone
    back, or traffic was changed by hand, and TimedOut."""
    where = path("onlineEndpoints", flags.endpoint)
    ends = None if flags.timeout is None else time.monotonic() + flags.timeout
    told = ""
    while True:
        status = session.arm.get(where)["properties"].get("rolloutStatus")
        if status is None:
            raise CommandFailed(
                f"{flags.endpoint} has had no rollout.",
                hint="`rollout` in the endpoint's YAML begins one (docs/rollouts.md).",
            )
        now = f"{status['state']}, step {status['step']} of {status['steps']}: {status['traffic']}"
        if now != told and flags.wait:
            say(now)
            told = now
        if status["state"] != "Running" or not flags.wait:
            break
        if ends is not None and time.monotonic() >= ends:
            raise TimedOut(f"The rollout of {flags.endpoint} goes on after {flags.timeout:g} s.")
        time.sleep(_LOOK)
    if flags.wait and status["state"] != "Completed":
        raise CommandFailed(
            f"The rollout of {flags.endpoint} did not go through: {status['state']}.",
            faults=[status["reason"]] if status.get("reason") else [],
        )
    return {name: status.get(name) for name in _ROLLOUT}


def rollback(flags: argparse.Namespace, session: Session) -> Any:
    where = path("onlineEndpoints", flags.endpoint)
    operation = session.arm.change("POST", f"{where}/rollBack")
    finish(session, f"rollback of {flags.endpoint}", operation, no_wait=False)
    return session.arm.get(where)["properties"]["traffic"]


_LOOK = 2.0
_ROLLOUT = ("state", "step", "steps", "traffic", "reason")
_ENDPOINT = flag("endpoint", help="an online endpoint")
VERBS = {
    "traffic": Verb(
        traffic,
        "Show an endpoint's traffic, or shift it: `mle traffic digits blue=90 green=10`.",
        (
            _ENDPOINT,
            flag("split", nargs="*", metavar="DEPLOYMENT=PERCENT", help="the new split, whole"),
            flag("--mirror", nargs="*", metavar="DEPLOYMENT=PERCENT", help="copies; empty: none"),
        ),
        ("deployment", "traffic", "mirror"),
        form="table",
    ),
    "rollout": Verb(
        rollout,
        "Where an endpoint's rollout stands.",
        (
            _ENDPOINT,
            flag("--wait", action="store_true", help="until it is over; 1 where it went back"),
            flag("--timeout", type=float, metavar="SECONDS", help="how long to wait at most"),
        ),
        columns=("state", "step", "steps", "reason"),
    ),
    "rollback": Verb(
        rollback, "Give back the traffic from before the rollout, or the last change.", (_ENDPOINT,)
    ),
}
