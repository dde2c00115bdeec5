"""Dockerfiles built by Azure Container Registry itself, as runs of ACR Tasks."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from domain.errors import Unavailable
from infra.compute.container_apps.arm.arm_calls import ArmCalls, ArmRefusal
from infra.compute.container_apps.builds.run_files import RunFiles, RunLog
from infra.compute.ground.failure import StartFailure
from infra.compute.registry.dockerfiles.built_dockerfiles import DockerfileRuns
from infra.compute.registry.layer_builds import Say

VERSION: Final = "2019-04-01"
"""The stable one of Microsoft.ContainerRegistry's runs."""
_LONGEST: Final = 3600
"""Seconds that a build may take."""
_FIRST_LOOK: Final = 0.5
_LONGEST_LOOK: Final = 5.0
_BEGUN: Final = ("Queued", "Started", "Running")
_WELL: Final = "Succeeded"
_NEWEST: Final = 20
_WHAT_TO_DO: Final = {
    "TasksOperationsNotAllowed": (
        "Azure has its registries build nothing in subscriptions with free credit. Build the image "
        "elsewhere and push it (`docker build`, `docker push`), and name it in the environment as "
        "`image`; or use a subscription that is paid for, or ask Azure's support to allow it."
    ),
    "AuthorizationFailed": (
        "The identity that this host runs as needs the role Container Registry Tasks Contributor "
        "on the registry."
    ),
}


class RegistryTasks(DockerfileRuns):
    """Of the registry with the ARM id `registry`, for nodes of that `architecture`. A run is
    called by its ARM id."""

    def __init__(self, calls: ArmCalls, registry: str, architecture: str, files: RunFiles) -> None:
        self._calls = calls
        self._registry = registry
        self._architecture = architecture
        self._files = files

    async def begin(self, folder: Path, dockerfile: str, name: str) -> str:
        try:
            given = await self._calls.ask("POST", self._at("listBuildSourceUploadUrl"))
            await self._files.upload(str(given.body["uploadUrl"]), folder)
            body = self._asked(dockerfile, name, str(given.body["relativePath"]))
            return await self._scheduled(body)
        except ArmRefusal as refusal:
            raise _refused(refusal) from None

    async def goes_on(self, run: str) -> bool:
        try:
            told = await self._calls.find(_versioned(run))
        except ArmRefusal as refusal:
            raise _refused(refusal) from None
        return told is not None and _status(told) in (*_BEGUN, _WELL)

    async def follow(self, run: str, say: Say) -> None:
        log, wait, link = RunLog(self._files), _FIRST_LOOK, ""
        last: list[str] = []

        def both(line: str) -> None:
            last[:] = [*last[-30:], line]
            say(line)

        try:
            while True:
                told = await self._calls.get(_versioned(run))
                link = link or await self._link(run)
                if link and not await log.read(link, both):
                    link = ""
                    continue
                if _status(told) not in _BEGUN:
                    break
                await asyncio.sleep(wait)
                wait = min(wait * 1.5, _LONGEST_LOOK)
        except ArmRefusal as refusal:
            raise _refused(refusal) from None
        log.end(both)
        if _status(told) != _WELL:
            why = str((told.get("properties") or {}).get("runErrorMessage") or _status(told))
            end = "\n".join(last)
            raise StartFailure(
                "ImageBuildFailure", f"The Dockerfile could not be built: {why}\n{end}"
            )

    async def cancel(self, run: str) -> None:
        with suppress(Unavailable, ArmRefusal):  # it ends by itself, in an hour at the latest
            await asyncio.shield(self._calls.ask("POST", _versioned(f"{run}/cancel"), tries=1))

    async def close(self) -> None:
        await self._files.close()

    # -- inside

    def _at(self, what: str) -> str:
        return _versioned(f"{self._registry}/{what}")

    def _asked(self, dockerfile: str, name: str, source: str) -> Mapping[str, Any]:
        return {
            "type": "DockerBuildRequest",
            "dockerFilePath": dockerfile,
            "imageNames": [name],
            "isPushEnabled": True,
            "sourceLocation": source,
            "platform": {"os": "Linux", "architecture": self._architecture},
            "agentConfiguration": {"cpu": 2},
            "timeout": _LONGEST,
        }

    async def _scheduled(self, body: Mapping[str, Any]) -> str:
        """Once, though an answer may be lost: what is asked for twice would be built twice."""
        before = {str(each.get("id")) for each in await self._newest()}
        try:
            answer = await self._calls.ask("POST", self._at("scheduleRun"), body, tries=1)
        except Unavailable:
            begun = [run for run in await self._newest() if str(run.get("id")) not in before]
            mine = [run for run in begun if _properties(run).get("runType") == "QuickBuild"]
            if len(mine) != 1:
                raise
            return str(mine[0]["id"])
        return str(answer.body["id"])

    async def _newest(self) -> list[Any]:
        path = f"{self._at('runs')}&$top={_NEWEST}"
        told = await self._calls.get(path)
        found: list[Any] = (told or {}).get("value") or []
        return found[:_NEWEST]

    async def _link(self, run: str) -> str:
        """To its log; '' while there is none."""
        try:
            answer = await self._calls.ask("POST", _versioned(f"{run}/listLogSasUrl"))
        except ArmRefusal as refusal:
            if refusal.status == 404:
                return ""
            raise
        return str((answer.body or {}).get("logLink") or "")


def _versioned(path: str) -> str:
    return f"{path}?api-version={VERSION}"


def _properties(run: Mapping[str, Any]) -> Mapping[str, Any]:
    told: Mapping[str, Any] = run.get("properties") or {}
    return told


def _status(run: Mapping[str, Any]) -> str:
    return str(_properties(run).get("status") or "Queued")


def _refused(refusal: ArmRefusal) -> StartFailure:
    told = f"The registry does not build it: {refusal.message.rstrip('.')} ({refusal.code})."
    more = _WHAT_TO_DO.get(refusal.code, "")
    return StartFailure("ImageBuildFailure", f"{told} {more}".rstrip())
