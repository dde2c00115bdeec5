"""The objects of groups, applied and looked after."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.compute.kubernetes.api.kubernetes_api import (
    BUDGETS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    ApiRefusal,
    Kind,
    KubernetesApi,
    Object,
)
from infra.compute.kubernetes.manifests import Applied, beside, deployment, owned_by
from infra.compute.kubernetes.names import DELETION_COST, MANAGER, SCALER, Names
from infra.compute.kubernetes.pods.pod_secrets import PULL
from infra.compute.kubernetes.pods.pod_template import Surroundings
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup

_log = logging.getLogger("ml_endpoints.kubernetes")

_AGAIN: Final = 60.0
"""Seconds after which all is applied once more: what others have changed of ours comes back."""
_KEPT: Final[Sequence[tuple[Kind, str]]] = (
    (SERVICES, ""),
    (NETWORK_POLICIES, ""),
    (BUDGETS, ""),
    (SECRETS, ""),
    (SECRETS, f"-{PULL}"),
    (SERVICE_ACCOUNTS, ""),
)


class GroupObjects:
    """In one namespace. Everything raises ApiRefusal and Unavailable."""

    def __init__(self, api: KubernetesApi, around: Surroundings) -> None:
        self._api = api
        self._around = around
        self._applied: dict[str, tuple[float, str, str]] = {}

    async def ensure(
        self, group: NodeGroup, image: ProgramImage, names: Names, there: Object | None
    ) -> Object:
        """The Deployment, with all that it needs; `there` is what it was before. Nothing is called
        for where all is as it was applied."""
        wanted = deployment(group, image, names, self._around, first=there is None)
        more = beside(group, image, names, self._around)
        wish = json.dumps([wanted.body, *(each.body for each in more)], sort_keys=True)
        if there is not None and self._is_as_applied(group.name, wish, there):
            return there
        first = await self._apply(wanted, wanted.body)
        await asyncio.gather(*(self._apply(each, owned_by(first, each)) for each in more))
        # What is applied first has no pods, and says so; at the next look their number is not ours.
        self._applied[group.name] = time.monotonic(), wish, _ours(first)
        return first

    def is_due(self, group: str, there: Object) -> bool:
        """Whether what was applied is to be applied again, as it was."""
        at, _, ours = self._applied.get(group, (0.0, "", ""))
        return time.monotonic() - at >= _AGAIN or _ours(there) != ours

    async def clear(self, pod: Object) -> None:
        """One that is over."""
        meta = pod["metadata"]
        name, uid = meta["name"], meta["uid"]
        await self._api.delete(PODS, self._around.namespace, name, grace=1, uid=uid)

    async def scale(self, namespace: str, name: str, count: int) -> None:
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": name},
            "spec": {"replicas": count},
        }
        await self._api.apply(DEPLOYMENTS, namespace, name, body, manager=SCALER, part="scale")

    async def offer(self, pods: Sequence[str]) -> None:
        """They are to go first, where there are to be fewer."""
        body = {"metadata": {"annotations": {DELETION_COST: "-100"}}}
        for pod in pods:
            try:
                await self._api.merge(PODS, self._around.namespace, pod, body)
            except ApiRefusal as refusal:  # gone already, or another goes instead
                _log.info("Pod %s is not marked to go first: %s", pod, refusal.message)

    async def remove(self, names: Names, group: str) -> bool:
        """What is left of a group without a Deployment and pods; True where nothing was."""
        self._applied.pop(group, None)
        was_there = False
        for kind, tail in _KEPT:
            name = f"{names.of(group)}{tail}"
            try:
                was_there |= await self._api.delete(kind, self._around.namespace, name)
            except ApiRefusal as refusal:  # it goes with its owner
                _log.warning("%s %s is left to the cluster: %s", kind.name, name, refusal.message)
        return not was_there

    async def _apply(self, applied: Applied, body: Object) -> Object:
        namespace = self._around.namespace
        return await self._api.apply(applied.kind, namespace, applied.name, body, manager=MANAGER)

    def _is_as_applied(self, group: str, wish: str, there: Object) -> bool:
        at, before, ours = self._applied.get(group, (0.0, "", ""))
        is_late = time.monotonic() - at >= _AGAIN
        return not is_late and before == wish and _ours(there) == ours


def _ours(object: Object) -> str:
    """Our fields of an object, as the cluster keeps them: what others have taken is not there."""
    fields: list[Mapping[str, Any]] = [
        each.get("fieldsV1") or {}
        for each in object["metadata"].get("managedFields") or []
        if each.get("manager") == MANAGER and each.get("operation") == "Apply"
    ]
    return json.dumps(fields, sort_keys=True)
