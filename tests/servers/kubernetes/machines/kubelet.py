"""Pods that really run, on a Docker Engine: a container that holds the pod's network, and beside it
those that the pod has."""

import asyncio
import http.client
from collections.abc import Mapping
from typing import Any, Final

from tests.servers.engine.dockerd import EngineApi
from tests.servers.kubernetes.controllers import tell
from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.servers.kubernetes.machines.pod_containers import PodContainers
from tests.servers.kubernetes.machines.pod_status import container_status, say, waiting
from tests.servers.kubernetes.store import Object, Store, now

_TICK: Final = 0.1
_FIRST_BACKOFF: Final = 0.3
_LONGEST_BACKOFF: Final = 20.0


class Kubelet:
    """Of one cluster, whose containers, networks and volumes have the label `cluster`."""

    def __init__(self, store: Store, engine: EngineApi, cluster: str) -> None:
        self._store = store
        self._containers = PodContainers(engine, cluster)
        self._pods: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        await self._containers.open()

    @property
    def gateway(self) -> str:
        """The machine's address, as pods reach it."""
        return self._containers.gateway

    async def stop(self) -> None:
        for task in self._pods.values():
            task.cancel()
        await asyncio.gather(*self._pods.values(), return_exceptions=True)
        self._containers.close()

    async def step(self) -> None:
        there = {each["metadata"]["uid"]: each for each in self._store.all("pods")}
        for uid, pod in there.items():
            if uid not in self._pods and pod["spec"].get("nodeName"):
                self._pods[uid] = asyncio.create_task(self._run(pod))
        for uid in [uid for uid, task in self._pods.items() if uid not in there and task.done()]:
            self._pods.pop(uid)

    async def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        return await self._containers.logs(pod, query)

    # -- one pod

    async def _run(self, pod: Object) -> None:
        meta = pod["metadata"]
        try:
            await PodRun(self._store, self._containers, pod).run()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a fault of the tests' own must show
            say(self._store, pod, phase="Failed", reason="KubeletFault", message=repr(error))
            while not self._is_to_go(meta):
                await self._store.changed(_TICK)
        finally:
            await self._containers.remove(meta["uid"])
        if self._there(meta):
            self._store.remove(BY_PLURAL["pods"], meta["namespace"], meta["name"])

    def _is_to_go(self, meta: Object) -> bool:
        found = self._there(meta)
        return not found or bool(found["metadata"].get("deletionTimestamp"))

    def _there(self, meta: Object) -> Object:
        found = self._store.find("pods", meta["namespace"], meta["name"])
        return found if found is not None and found["metadata"]["uid"] == meta["uid"] else {}


class PodRun:
    """From its beginning until it is to go, and has gone."""

    def __init__(self, store: Store, containers: PodContainers, pod: Object) -> None:
        self._store = store
        self._containers = containers
        self._pod = pod
        self._statuses: dict[str, Object] = {
            each["name"]: container_status(each, waiting("ContainerCreating"))
            for each in pod["spec"]["containers"]
        }
        self._inits: dict[str, Object] = {
            each["name"]: container_status(each, waiting("PodInitializing"))
            for each in pod["spec"].get("initContainers") or []
        }
        self._address = ""

    async def run(self) -> None:
        self._say()
        self._address = await self._containers.make_sandbox(self._pod)
        running = asyncio.create_task(self._containers_run())
        try:
            while True:
                grace = self._grace()
                if grace is not None:
                    break
                if running.done():
                    running.result()
                await asyncio.sleep(_TICK)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await self._end(grace)

    def _grace(self) -> float | None:
        """Seconds that it still has; None while it is to go on."""
        meta = self._pod["metadata"]
        found = self._store.find("pods", meta["namespace"], meta["name"])
        if found is None or found["metadata"]["uid"] != meta["uid"]:
            return 0.0
        if not found["metadata"].get("deletionTimestamp"):
            return None
        return float(found["metadata"]["deletionGracePeriodSeconds"])

    async def _containers_run(self) -> None:
        for spec in self._pod["spec"].get("initContainers") or []:
            await self._prepared(spec, self._inits)
            backoff = _FIRST_BACKOFF
            while not await self._once(spec, self._inits):
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF)
                self._restarted(spec, self._inits)
        await asyncio.gather(*(self._kept(each) for each in self._pod["spec"]["containers"]))

    async def _kept(self, spec: Object) -> None:
        await self._prepared(spec, self._statuses)
        backoff = _FIRST_BACKOFF
        while True:
            await self._once(spec, self._statuses)
            over = self._statuses[spec["name"]]["state"]["terminated"]
            await asyncio.sleep(_TICK)
            told = waiting(
                "CrashLoopBackOff",
                f"back-off {backoff:.1f}s restarting failed container={spec['name']}",
            )
            self._change(spec, self._statuses, state=told, lastState={"terminated": over})
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)
            self._restarted(spec, self._statuses)

    def _restarted(self, spec: Object, among: dict[str, Object]) -> None:
        count = among[spec["name"]]["restartCount"] + 1
        self._change(spec, among, restartCount=count)

    async def _prepared(self, spec: Object, among: dict[str, Object]) -> None:
        """Its image and what it is told are there."""
        backoff = _FIRST_BACKOFF
        while True:
            trouble = await self._containers.pull(self._pod, spec, self._store)
            if trouble is None:
                lacks = self._containers.lacking(self._pod, spec, self._store)
                if lacks is None:
                    return
                self._change(spec, among, state=waiting("CreateContainerConfigError", lacks))
            else:
                self._change(spec, among, state=waiting("ErrImagePull", trouble))
                tell(self._store, self._pod, "Failed", f"Failed to pull image: {trouble}")
                await asyncio.sleep(_TICK)
                told = f'Back-off pulling image "{spec["image"]}": {trouble}'
                self._change(spec, among, state=waiting("ImagePullBackOff", told))
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def _once(self, spec: Object, among: dict[str, Object]) -> bool:
        """One life of a container; whether it ended well."""
        life = among[spec["name"]]["restartCount"]
        began = now()
        id, refused = await self._containers.begin(self._pod, spec, life, self._store)
        if refused is not None:
            over = {"exitCode": 128, "reason": "StartError", "message": refused}
            stamped = {**over, "startedAt": began, "finishedAt": now()}
            self._change(spec, among, state={"terminated": stamped}, ready=False)
            return False
        has_probe = "readinessProbe" in spec
        self._change(spec, among, state={"running": {"startedAt": began}}, ready=not has_probe)
        probing = asyncio.create_task(self._probe(spec, among))
        try:
            over = await self._containers.ended(id, spec)
        finally:
            probing.cancel()
        over = {**over, "startedAt": began, "finishedAt": now()}
        last = {"state": {"terminated": over}, "ready": False}
        self._change(spec, among, **last)
        return bool(over["exitCode"] == 0)

    async def _probe(self, spec: Object, among: dict[str, Object]) -> None:
        probe = (spec.get("readinessProbe") or {}).get("httpGet")
        while probe:
            ok = await asyncio.to_thread(_asks, self._address, probe)
            if among[spec["name"]]["ready"] != ok:
                self._change(spec, among, ready=ok)
            await asyncio.sleep(2 * _TICK)

    async def _end(self, grace: float) -> None:
        names = [each["name"] for each in self._pod["spec"]["containers"]]
        ending = asyncio.create_task(self._containers.stop(self._pod, names, grace))
        while not ending.done():
            shorter = self._grace()
            if shorter is not None and shorter < grace:
                grace = shorter
                await self._containers.hurry(self._pod, names, grace)
            await asyncio.sleep(_TICK)

    def _change(self, spec: Object, among: dict[str, Object], **changes: Any) -> None:
        among[spec["name"]] = {**among[spec["name"]], **changes}
        self._say()

    def _say(self) -> None:
        statuses = list(self._statuses.values())
        runs = all("running" in each["state"] or each["restartCount"] for each in statuses)
        changes: dict[str, Any] = {"containerStatuses": statuses}
        if self._inits:
            changes["initContainerStatuses"] = list(self._inits.values())
        if self._address:
            changes["podIP"] = self._address
            changes["hostIP"] = self._containers.gateway
        changes["phase"] = "Running" if runs else "Pending"
        say(self._store, self._pod, ready=all(e["ready"] for e in statuses), **changes)


def _asks(address: str, probe: Mapping[str, Any]) -> bool:
    connection = http.client.HTTPConnection(address, int(probe["port"]), timeout=5)
    try:
        connection.request("GET", probe["path"])
        with connection.getresponse() as answer:
            return 200 <= answer.status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
