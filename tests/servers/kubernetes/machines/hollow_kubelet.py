"""Pods that run nowhere: they say what a test has them say."""

import itertools
from collections.abc import Mapping

from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.servers.kubernetes.machines.pod_status import container_status, say
from tests.servers.kubernetes.store import Object, Store, now


class HollowKubelet:
    """Each runs once it has been placed, if `starts`, and goes at once when it is to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._addresses = itertools.count(1)
        self.starts = True
        self.gateway = ""

    async def start(self) -> None:
        """Nothing is there to be started."""

    async def stop(self) -> None:
        """Nor to be stopped."""

    async def step(self) -> None:
        for pod in self._store.all("pods"):
            meta, status = pod["metadata"], pod.get("status") or {}
            if meta.get("deletionTimestamp"):
                self._store.remove(BY_PLURAL["pods"], meta["namespace"], meta["name"])
            elif (
                self.starts
                and pod["spec"].get("nodeName")
                and status.get("phase") == "Pending"
                and "containerStatuses" not in status
            ):
                running = {"running": {"startedAt": now()}}
                containers = [
                    container_status(each, running, ready=True)
                    for each in pod["spec"]["containers"]
                ]
                number = next(self._addresses)
                address = f"10.244.{number // 250}.{number % 250 + 1}"
                told = {
                    "phase": "Running",
                    "podIP": address,
                    "hostIP": "10.0.0.1",
                    "containerStatuses": containers,
                }
                say(self._store, pod, ready=True, **told)

    async def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        return f"{pod['metadata']['name']} has printed this\n"
