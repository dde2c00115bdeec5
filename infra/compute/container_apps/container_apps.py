"""Apps of one environment, by Azure Resource Manager's API of Microsoft.App."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from domain.errors import Unavailable
from infra.compute.container_apps.app import App, Replica
from infra.compute.container_apps.arm.arm_calls import ArmCalls, ArmRefusal, refusal_of

_ENVIRONMENT: Final = re.compile(
    r"(/subscriptions/[^/]+/resourceGroups/[^/]+)/providers/Microsoft\.App/managedEnvironments/[^/]+",
    re.IGNORECASE,
)
_AS_BEFORE: Final = 600.0
"""Seconds for which an environment is taken to be as it was."""
_THERE: Final = frozenset({409, 412})


@dataclass(frozen=True)
class Environment:
    """`address` is that of its ingress, which its network alone reaches. `profiles` are the names
    of its workload profiles, by their kind."""

    id: str
    location: str
    address: str
    profiles: Mapping[str, str]

    @classmethod
    def of(cls, id: str, body: Mapping[str, Any]) -> "Environment":
        told = body.get("properties") or {}
        listed = told.get("workloadProfiles") or []
        profiles = {str(p.get("workloadProfileType")): str(p.get("name")) for p in listed}
        return cls(id, str(body.get("location")), str(told.get("staticIp") or ""), profiles)


class ContainerApps:
    """Of the environment with the ARM id `environment`; apps are in its resource group. Raises as
    ArmCalls does."""

    def __init__(self, calls: ArmCalls, environment: str, now: Callable[[], float]) -> None:
        found = _ENVIRONMENT.fullmatch(environment)
        if found is None:
            raise ValueError(f"{environment} is no ARM id of a managed environment")
        self._calls = calls
        self._id = environment
        self._apps = f"{found[1]}/providers/Microsoft.App/containerApps"
        self._now = now
        self._known: Environment | None = None
        self._known_at = 0.0
        self._operations: dict[str, str] = {}
        """Of apps that this host has made: where it is told how that goes."""

    async def close(self) -> None:
        await self._calls.close()

    async def environment(self) -> Environment:
        if self._known is None or self._now() - self._known_at > _AS_BEFORE:
            body = await self._calls.get(self._id)
            found = Environment.of(self._id, body)
            if not found.address:
                raise Unavailable(f"The environment {self._id} has no address yet.")
            self._known, self._known_at = found, self._now()
        return self._known

    async def apps(self, installation: str) -> Sequence[App]:
        """All of an installation."""
        listed = [App.of(each) for each in await self._calls.all(self._apps)]
        return [app for app in listed if app.is_of(installation)]

    async def images(self) -> set[str]:
        """Of every app of the group, by the names that they were told."""
        found = set()
        for app in await self._calls.all(self._apps):
            template = (app.get("properties") or {}).get("template") or {}
            for part in [
                *(template.get("initContainers") or []),
                *(template.get("containers") or []),
            ]:
                found.add(str(part.get("image") or ""))
        return found

    async def make(self, name: str, body: Mapping[str, Any]) -> App | None:
        """Made once, however often it is asked for: None where it was there, or is being made. So
        an answer that is lost makes no second one, and no second revision."""
        try:
            answer = await self._calls.ask(
                "PUT", f"{self._apps}/{name}", body, {"If-None-Match": "*"}
            )
        except ArmRefusal as refusal:
            if refusal.status in _THERE:
                return None
            raise
        if answer.operation is not None:
            self._operations[name] = answer.operation
        return App.of(answer.body)

    async def remove(self, name: str) -> bool:
        """Whether it is gone, or going; False while the platform is at something else with it."""
        self._operations.pop(name, None)
        try:
            await self._calls.ask("DELETE", f"{self._apps}/{name}")
        except ArmRefusal as refusal:
            if refusal.status == 409:
                return False
            if refusal.status != 404:
                raise
        return True

    async def failure(self, app: App) -> str:
        """Why it was not made, in the platform's words, with their code."""
        place = self._operations.get(app.name)
        told: Any = None
        if place is not None:
            with suppress(ArmRefusal):  # kept for some hours only
                told = await self._calls.find(place)
        if isinstance(told, dict) and isinstance(told.get("error"), dict):
            return str(refusal_of(200, told))
        revision = await self._revision(app)
        return str(revision.get("provisioningError") or "the platform gives no reason")

    async def health(self, app: App) -> str:
        """How the platform sees its revision, in a few words."""
        told = await self._revision(app)
        said = [str(told.get(each) or "") for each in ("runningState", "healthState")]
        why = str(told.get("provisioningError") or "")
        return ", ".join(each for each in (*said, why) if each and each != "None")

    async def _revision(self, app: App) -> Mapping[str, Any]:
        if app.revision is None:
            return {}
        found = await self._calls.find(f"{self._apps}/{app.name}/revisions/{app.revision}")
        told: Mapping[str, Any] = (found or {}).get("properties") or {}
        return told

    async def replica(self, app: App) -> Replica | None:
        """None while there is none."""
        if app.revision is None:
            return None
        at = f"{self._apps}/{app.name}/revisions/{app.revision}/replicas"
        found = await self._calls.find(at)
        listed = (found or {}).get("value") or []
        return Replica.of(listed[-1]) if listed else None

    async def printed(self, app: App, tail: int) -> str:
        """The last lines of every container of its replica, from the platform's log stream: a
        container that is started again has those of its last life. '' while there are none."""
        replica = await self.replica(app)
        places = [p.log for p in replica.parts if p.log] if replica is not None else []
        if not places:
            return ""
        given = await self._calls.ask("POST", f"{self._apps}/{app.name}/getAuthtoken")
        token = str((given.body.get("properties") or {}).get("token") or "")
        read = [self._stream(place, token, tail) for place in places]
        return "\n".join(each for each in await asyncio.gather(*read) if each)

    async def _stream(self, place: str, token: str, tail: int) -> str:
        mark = "&" if "?" in place else "?"
        query = f"{mark}follow=false&output=text&tailLines={min(tail, 300)}"
        try:
            return (await self._calls.text(f"{place}{query}", token)).strip()
        except ArmRefusal:  # one that has not begun has none
            return ""
