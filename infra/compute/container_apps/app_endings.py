"""What has become of an app that is not seen to run: on its way, or why not."""

import json
from collections.abc import Mapping
from typing import Any, Final

from infra.compute.container_apps.app import MAX_DEATHS, App, Ending, Replica
from infra.compute.container_apps.container_apps import ContainerApps

PULL_PATIENCE: Final = 60.0
"""Seconds for which an image may fail to be pulled: a role that was given just now takes a while
to hold."""
NEVER: Final = 900.0
"""Seconds after which what has not come to run is given up."""
_WORDS: Final = 30
_NOT_READY: Final = "ResourceNotReady"
_QUOTA: Final = ("quota", "maxnumber", "exceed", "capacity")
_WHAT_TO_DO: Final = {
    "AuthorizationFailed": (
        "The identity that this host runs as needs the role Container Apps Contributor on the "
        "resource group of the environment."
    ),
    "LinkedAuthorizationFailed": (
        "The identity that this host runs as needs the role Managed Identity Operator on the "
        "identities that it gives to apps."
    ),
}


def refused(code: str, message: str) -> Ending:
    """Why the platform does not make an app, in Azure ML's codes."""
    said = f"{code} {message}".casefold()
    told = f"Container Apps refuses it: {message.rstrip('.')} ({code})."
    if code in _WHAT_TO_DO:
        told += f" {_WHAT_TO_DO[code]}"
    if any(each in said for each in _QUOTA):
        more = "Ask for more quota of the environment or the region, or have fewer instances."
        return Ending("OutOfQuota", f"{told} {more}", final=True)
    return Ending(_NOT_READY, told, final=True)


class AppEndings:
    """Asks the platform as seldom as it can."""

    def __init__(self, apps: ContainerApps) -> None:
        self._apps = apps

    async def look(self, app: App, waited: float) -> tuple[bool, Ending | None]:
        """Whether it runs, and why it does not any more; `waited` seconds after it was made.
        Raises as ContainerApps does."""
        if app.state in ("Failed", "Canceled"):
            why = await self._apps.failure(app)
            message, _, code = why.rpartition(" (")
            return False, refused(code.rstrip(")") or app.state, message or why)
        replica = await self._apps.replica(app)
        if replica is None:
            return False, await self._never(app, waited)
        if replica.runs:
            return True, None
        return False, await self._trouble(app, replica, waited)

    async def _trouble(self, app: App, replica: Replica, waited: float) -> Ending | None:
        for part in replica.parts:
            if part.cannot_be_pulled and waited >= PULL_PATIENCE:
                told = (
                    f"The image of the container {part.name} cannot be pulled: {part.details}. "
                    "The identity that pulls needs the role AcrPull on the registry."
                )
                return Ending("ImageBuildFailure", told, final=True)
        dying = max(replica.parts, key=lambda each: each.restarts, default=None)
        if dying is not None and (dying.restarts or dying.state == "Terminated"):
            return await self._dying(app, dying.restarts, dying.details)
        return await self._never(app, waited)

    async def _dying(self, app: App, restarts: int, details: str) -> Ending | None:
        log = await self._apps.printed(app, _WORDS)
        said = last_word(log)
        if said is not None:
            return Ending(str(said["code"]), str(said.get("message", "")), final=True)
        if restarts <= MAX_DEATHS:
            return None
        why = details or "the platform gives no reason"
        told = f"Its container ended {restarts} times in a row: {why}."
        if "oomkilled" in why.casefold():
            told = f"It ran out of memory: its container has {app.memory} of memory. {told}"
        return Ending(_NOT_READY, f"{told}{end_of(log)}", final=True)

    async def _never(self, app: App, waited: float) -> Ending | None:
        if waited < NEVER:
            return None
        seen = await self._apps.health(app) or "no replica"
        told = f"Its app has not come to run within {waited / 60:.0f} minutes: {seen}."
        return Ending(_NOT_READY, f"{told}{end_of(await self._apps.printed(app, _WORDS))}", True)


def last_word(log: str) -> Mapping[str, Any] | None:
    """An agent's that could not open its door."""
    for line in reversed(log.strip().splitlines()):
        at = line.find('{"code"')
        if at < 0:
            continue
        try:
            said = json.loads(line[at:])
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("code"), str):
            return said
    return None


def end_of(log: str) -> str:
    """As reasons end with it."""
    return f"\nThe end of its log:\n{log}" if log.strip() else ""
