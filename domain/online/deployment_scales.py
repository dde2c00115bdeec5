"""The stored scale of online deployments, as the control plane reads and changes it."""

import logging
from collections.abc import Sequence
from datetime import datetime

from domain.assets.asset_references import revision_of
from domain.errors import DocumentNotFound
from domain.online import deployment_scale
from domain.online.deployment_scale import (
    DeploymentScale,
    ScaleBounds,
    from_document,
    scale_id,
    to_body,
)
from domain.online.online_deployment import OnlineDeployment, instances_at_first
from domain.online.online_endpoint import partition
from domain.ports import Create, Delete, Document, Replace, ResourceStore, Write

_log = logging.getLogger("ml_endpoints.scaling")


class DeploymentScales:
    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def document(self, endpoint: str, deployment: str) -> Document | None:
        try:
            return await self._store.get(partition(endpoint), scale_id(deployment))
        except DocumentNotFound:
            return None

    async def of(self, deployment: OnlineDeployment) -> DeploymentScale | None:
        """None where the count is fixed."""
        if deployment.bounds is None:
            return None
        document = await self.document(deployment.endpoint, deployment.name)
        scale = from_document(document) if document else None
        return scale if scale and scale.of == deployment.created_at else None

    async def instances(self, deployment: OnlineDeployment) -> int:
        """How many are wanted now."""
        if deployment.bounds is None:
            return deployment.instance_count
        scale = await self.of(deployment)
        if scale is None:
            scale = first_scale(deployment, deployment.bounds)
        return scale.instances

    async def changed(
        self, old: OnlineDeployment | None, new: OnlineDeployment, now: datetime
    ) -> list[Write]:
        """What is written together with a deployment: its count stays, unless its bounds
        speak against it or there is something new to be tried."""
        document = await self.document(new.endpoint, new.name)
        id, bounds = scale_id(new.name), new.bounds
        if bounds is None:
            return [Delete(id, document.etag)] if document else []
        scale = from_document(document) if document else None
        if document is None or scale is None or scale.of != new.created_at:
            body = to_body(first_scale(new, bounds))
            return [Replace(id, body, document.etag) if document else Create(id, body)]
        then = scale.but(bounds=bounds, workers=new.workers)
        count = bounds.clamped(scale.instances)
        if count != scale.instances:
            then = then.decided(now, count, "its bounds were changed")
        elif count == 0 and old is not None and _revision(old) != _revision(new):
            then = then.decided(now, 1, "what it runs was changed, which is tried on one instance")
        return [] if then == scale else [Replace(id, to_body(then), document.etag)]

    async def removed(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        """What is written together with the removal of deployments."""
        found = [await self.document(endpoint, name) for name in deployments]
        return [Delete(document.id, document.etag) for document in found if document]

    async def page(self, continuation: str | None) -> tuple[Sequence[Document], str | None]:
        """Those that have instances, or should have."""
        page = await self._store.query(deployment_scale.KIND, continuation=continuation)
        return page.documents, page.continuation

    async def is_any_awake(self) -> bool:
        """Whether a page has any."""
        return bool((await self._store.query(deployment_scale.KIND, page_size=1)).documents)

    async def replace(self, document: Document, scale: DeploymentScale) -> Document:
        """Raises StaleETag when somebody else wrote first."""
        write = Replace(document.id, to_body(scale), document.etag)
        [written] = await self._store.transact(document.partition, [write])
        return written


def first_scale(deployment: OnlineDeployment, bounds: ScaleBounds) -> DeploymentScale:
    return DeploymentScale(
        endpoint=deployment.endpoint,
        deployment=deployment.name,
        of=deployment.created_at,
        workers=deployment.workers,
        bounds=bounds,
        instances=instances_at_first(deployment.properties, deployment.instance_count),
    )


def tell_scaled(scale: DeploymentScale) -> None:
    """Have the log say what was decided last, once it is stored."""
    if (decided := scale.last_decision) is not None:
        tell_count(scale.endpoint, scale.deployment, decided.before, decided.after, decided.reason)


def tell_count(endpoint: str, deployment: str, before: int, after: int, reason: str) -> None:
    """Have the log say that a deployment is to have another count of instances, or why it is not
    to have another."""
    about: dict[str, object] = {
        "action": "deployment_scaled",
        "endpoint": endpoint,
        "deployment": deployment,
        "before": before,
        "after": after,
        "reason": reason,
    }
    if before == after:
        about["action"] = "deployment_scale_bounded"
    elif not after:
        about["action"] = "deployment_slept"
    elif not before:
        about["action"] = "deployment_woken"
    _log.info(
        "Deployment %s of %s goes from %d to %d instances: %s",
        deployment,
        endpoint,
        before,
        after,
        reason,
        extra=about,
    )


def _revision(deployment: OnlineDeployment) -> str:
    return revision_of(deployment.properties.running)
