"""A request that changes something, tried: `?dryRun=true` answers what it would change, in the
shape of ARM's what-if."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.alerts import metric_alert
from domain.alerts.metric_alert import MetricAlert
from domain.assets.asset import KINDS, AssetKind, AssetVersion
from domain.batch import batch_deployment, batch_endpoint, compute_target
from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.batch.compute_target import ComputeTarget
from domain.errors import Invalid, Unsupported
from domain.events import event_subscription
from domain.events.event_subscription import EventSubscription
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.rehearsal import rehearsing
from domain.ground.resource import TrackedResource
from domain.inbound import event_mapping
from domain.inbound.event_mapping import EventMapping
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob
from domain.ledger import budget
from domain.ledger.budget import Budget
from domain.ledger.cost_estimating import Estimate
from domain.ledger.what_if import Consequences, WhatIf
from domain.names import WorkspaceScope
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import Create, Document, Replace
from domain.schedules import schedule
from domain.schedules.schedule import Schedule
from domain.usage.rehearsing import Planned, Rehearsed
from domain.values import Value
from handlers import wire

PARAMETER: Final = "dryRun"
OFFERED: Final = (
    *("onlineEndpoints/", "batchEndpoints/", "jobs/", "schedules/", "budgets/", "metricAlerts/"),
    *("computes/", "eventSubscriptions/", "eventMappings/"),
    *(f"{kind.plural}/" for kind in KINDS),
)
_WRITES: Final = ("/write", "/delete")
_COLLECTIONS: Mapping[str, tuple[str, type[TrackedResource]]] = {
    online_endpoint.KIND: ("onlineEndpoints", OnlineEndpoint),
    online_deployment.KIND: ("onlineEndpoints", OnlineDeployment),
    batch_endpoint.KIND: ("batchEndpoints", BatchEndpoint),
    batch_deployment.KIND: ("batchEndpoints", BatchDeployment),
    schedule.KIND: ("schedules", Schedule),
    budget.KIND: ("budgets", Budget),
    compute_target.KIND: ("computes", ComputeTarget),
    event_subscription.KIND: ("eventSubscriptions", EventSubscription),
    event_mapping.KIND: ("eventMappings", EventMapping),
    metric_alert.KIND: ("metricAlerts", MetricAlert),
}
_ASSETS: Mapping[str, tuple[AssetKind, type[Value]]] = {
    name: (kind, model)
    for kind in KINDS
    for name, model in (
        (kind.container_kind, kind.container),
        (kind.version_kind, kind.version),
    )
}
_NO_CHANGE: Final = {"status": "Succeeded", "properties": {"changes": []}}


def is_offered(action: str) -> bool:
    """Whether a request for it may be tried."""
    return action.startswith(OFFERED) and action.endswith(_WRITES)


def is_tried(request: Request, action: str) -> bool:
    """Whether nothing is to be written. Raises Invalid, and Unsupported where that is not
    offered."""
    text = request.query_params.get(PARAMETER)
    if text is None or text.casefold() == "false":
        return False
    if text.casefold() != "true":
        raise Invalid(f"{PARAMETER} is true or false, not '{text[:40]}'.", target=PARAMETER)
    if not is_offered(action):
        there = ", ".join(each.strip("/") for each in OFFERED)
        raise Unsupported(
            f"A dry run is offered for writing and deleting {there}, and for invoking batch "
            "endpoints; nothing was done.",
            target=PARAMETER,
        )
    return True


Try = Callable[[Callable[[], Awaitable[Response]]], Awaitable[Response]]
"""What a request would change, in the place of its answer."""


class Trying:
    """`scope` is where resources are."""

    def __init__(self, what_if: WhatIf, scope: WorkspaceScope) -> None:
        self._what_if = what_if
        self._scope = scope

    async def answer(self, answer: Callable[[], Awaitable[Response]]) -> Response:
        """A refusal is answered as it would be; else what would change."""
        try:
            with rehearsing():
                response = await answer()
        except Rehearsed as rehearsed:
            changes = [
                shown
                for each in rehearsed.planned
                if (shown := await self._change(each)) is not None
            ]
            return JSONResponse({"status": "Succeeded", "properties": {"changes": changes}})
        if response.status_code >= 400:
            return response
        return JSONResponse(_NO_CHANGE)

    async def _change(self, planned: Planned) -> dict[str, Any] | None:
        """None for what is no resource, or stays as it is."""
        write, document = planned.write, planned.before
        body = write.body if isinstance(write, Create | Replace) else None
        kind = (body or (document.body if document else {})).get("kind")
        if kind == batch_job.KIND and body is not None:
            return self._job(body, document)
        asset = _ASSETS.get(kind or "")
        if asset is not None:
            return self._asset(*asset, body, document)
        if kind is None or kind not in _COLLECTIONS:
            return None
        collection, model = _COLLECTIONS[kind]
        before = model.from_document(document.body["resource"]) if document else None
        after = model.from_document(body["resource"]) if body else None
        if after is not None and after.provisioning_state is ProvisioningState.DELETING:
            after = None
        named = before or after
        if named is None:
            return None
        was, will = (None if each is None else _shown(each) for each in (before, after))
        delta = list(_delta(was, will))
        if not delta:
            return None
        change: dict[str, Any] = {
            "resourceId": self._scope.path(collection, *_names(named)),
            "changeType": _type(before, after),
            "before": was,
            "after": will,
            "delta": delta,
        }
        if isinstance(named, OnlineDeployment):
            change["consequences"] = _told(await self._what_if.of(*_deployments(before, after)))
        return change

    def _asset(
        self, kind: AssetKind, model: type[Value], body: Any, document: Document | None
    ) -> dict[str, Any] | None:
        before = model.from_document(document.body["resource"]) if document else None
        after = model.from_document(body["resource"]) if body else None
        named: Any = before or after
        was, will = (
            None if each is None else {"properties": wire.to_wire(each.properties)}  # type: ignore[attr-defined]  # all have
            for each in (before, after)
        )
        delta = list(_delta(was, will))
        if not delta:
            return None
        versions = ("versions", named.version) if isinstance(named, AssetVersion) else ()
        return {
            "resourceId": self._scope.path(kind.plural, named.name, *versions),
            "changeType": _type(before, after),
            "before": was,
            "after": will,
            "delta": delta,
        }

    def _job(self, body: Any, document: Document | None) -> dict[str, Any] | None:
        job = BatchJob.from_document(body["job"])
        after = {
            "endpointName": job.endpoint,
            "deploymentName": job.deployment,
            "inputs": {each.name: each.shown_uri for each in job.inputs},
            "output": {"datastore": job.output.container, "path": job.output.path},
            "settings": wire.to_wire(job.settings),
        }
        if document is not None:
            return None
        return {
            "resourceId": self._scope.path("jobs", job.name),
            "changeType": "Create",
            "before": None,
            "after": after,
            "delta": list(_delta(None, after)),
        }


def _deployments(*given: TrackedResource | None) -> list[OnlineDeployment | None]:
    return [each if isinstance(each, OnlineDeployment) else None for each in given]


def _names(resource: TrackedResource) -> Sequence[str]:
    endpoint = getattr(resource, "endpoint", None)
    return (resource.name,) if endpoint is None else (endpoint, "deployments", resource.name)


def _type(before: object, after: object) -> str:
    if after is None:
        return "Delete"
    return "Create" if before is None else "Modify"


def _shown(resource: TrackedResource) -> dict[str, Any]:
    """What a caller may say of it."""
    return {
        "location": resource.location,
        "tags": resource.tags,
        "kind": resource.kind,
        "identity": wire.to_wire(resource.identity) if resource.identity else None,
        "sku": wire.to_wire(resource.sku) if resource.sku else None,
        "properties": wire.to_wire(resource.properties),  # type: ignore[attr-defined]  # all have
    }


def _delta(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """By field, with dots between names."""
    if before == after:
        return
    if isinstance(before or {}, dict) and isinstance(after or {}, dict) and (before or after):
        for name in dict.fromkeys([*(before or {}), *(after or {})]):
            inner = f"{path}.{name}" if path else name
            yield from _delta((before or {}).get(name), (after or {}).get(name), inner)
        return
    yield {
        "path": path,
        "propertyChangeType": _type(before, after),
        "before": before,
        "after": after,
    }


def _told(consequences: Consequences) -> dict[str, Any]:
    before, after = consequences.before, consequences.after
    prices = after or before
    return {
        "restarts": consequences.restarts,
        "effect": consequences.effect,
        "costPerDay": {
            "before": _a_day(before),
            "after": _a_day(after),
            "currency": prices.prices.currency if prices else None,
            "isSample": prices.is_sample if prices else None,
        },
    }


def _a_day(estimate: Estimate | None) -> float | None:
    if estimate is None:
        return 0.0
    return None if estimate.per_day is None else round(estimate.per_day, 6)
