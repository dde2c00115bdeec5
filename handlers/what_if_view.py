"""What a write would change, in the shape of ARM's what-if: each resource with what it is and would
be, and the difference by field."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domain.alerts import metric_alert
from domain.alerts.metric_alert import MetricAlert
from domain.assets.asset import KINDS, AssetKind, AssetVersion
from domain.assets.packages import connection
from domain.assets.packages.connection import Connection
from domain.assets.releasing import asset_release
from domain.batch import batch_deployment, batch_endpoint
from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.computes import compute_target
from domain.computes.compute_target import ComputeTarget
from domain.events import event_subscription
from domain.events.event_subscription import EventSubscription
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import TrackedResource
from domain.identities import managed_identity
from domain.identities.managed_identity import ManagedIdentity
from domain.inbound import event_mapping
from domain.inbound.event_mapping import EventMapping
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob
from domain.ledger import budget, price_sheets
from domain.ledger.budget import Budget
from domain.ledger.cost_estimating import Estimate
from domain.ledger.price_sheet import PriceSheet
from domain.ledger.what_if import Consequences, WhatIf
from domain.names import WorkspaceScope
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import Create, Json, Replace
from domain.schedules import schedule
from domain.schedules.schedule import Schedule
from domain.usage.rehearsing import CLIENT, Planned
from domain.values import Value
from handlers import wire

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
_SECRET: Final = "***"
_NEW_SECRET: Final = "*** (another)"


class ChangeView:
    """`scope` is where resources are."""

    def __init__(self, what_if: WhatIf, scope: WorkspaceScope) -> None:
        self._what_if = what_if
        self._scope = scope

    async def changes(self, planned: Sequence[Planned]) -> list[dict[str, Any]]:
        """Of what is written together: without what is no resource, or stays as it is."""
        if len(planned) == 1 and isinstance(planned[0].write, Create):
            body = planned[0].write.body
            if body.get("kind") == asset_release.KIND:  # with a version that goes it goes unsaid
                return [self._upload(body)]
        found = [await self._change(each) for each in planned]
        return [each for each in found if each is not None]

    async def _change(self, planned: Planned) -> dict[str, Any] | None:
        write, document = planned.write, planned.before
        was = document.body if document else None
        will = write.body if isinstance(write, Create | Replace) else None
        kind = (will or was or {}).get("kind") or ""
        if kind in _COLLECTIONS:
            return await self._resource(*_COLLECTIONS[kind], was, will)
        if kind in _ASSETS:
            return self._asset(*_ASSETS[kind], was, will)
        if kind == connection.KIND:
            return self._connection(was, will)
        if kind == managed_identity.KIND:
            return self._identity(was, will)
        if kind == batch_job.KIND:
            return self._job(will) if will is not None and was is None else None
        render = {CLIENT: _client, price_sheets.KIND: _prices}.get(kind)
        if render is None:
            return None
        names = ("clients" if kind == CLIENT else "priceSheets", write.id)
        return self._shown(names, *(each and render(each) for each in (was, will)))

    async def _resource(
        self, collection: str, model: type[TrackedResource], was: Json | None, will: Json | None
    ) -> dict[str, Any] | None:
        before = model.from_document(was["resource"]) if was else None
        after = model.from_document(will["resource"]) if will else None
        if after is not None and after.provisioning_state is ProvisioningState.DELETING:
            after = None
        named = before or after
        if named is None:
            return None
        told = (None if each is None else _fields(each) for each in (before, after))
        change = self._shown((collection, *_names(named)), *told)
        if change is not None and isinstance(named, OnlineDeployment):
            of = await self._what_if.of(*_deployments(before, after))
            change["consequences"] = _consequences(of)
        return change

    def _asset(
        self, kind: AssetKind, model: type[Value], was: Json | None, will: Json | None
    ) -> dict[str, Any] | None:
        before = model.from_document(was["resource"]) if was else None
        after = model.from_document(will["resource"]) if will else None
        named: Any = before or after
        told = (
            None if each is None else {"properties": wire.to_wire(each.properties)}  # type: ignore[attr-defined]  # all have
            for each in (before, after)
        )
        versions = ("versions", named.version) if isinstance(named, AssetVersion) else ()
        return self._shown((kind.plural, named.name, *versions), *told)

    def _connection(self, was: Json | None, will: Json | None) -> dict[str, Any] | None:
        """That there are credentials, and whether others, and nothing more of them."""
        before = Connection.from_document(was["resource"]) if was else None
        after = Connection.from_document(will["resource"]) if will else None
        named = before or after
        if named is None:
            return None
        told = [None if each is None else _fields(each) for each in (before, after)]
        secrets = [None if each is None else each.sealed_credentials for each in (before, after)]
        for shown, secret in zip(told, secrets, strict=True):
            if shown is not None:
                shown["properties"]["credentials"] = secret and _SECRET
        if all(secrets) and secrets[0] != secrets[1] and told[1] is not None:
            told[1]["properties"]["credentials"] = _NEW_SECRET
        return self._shown(("connections", named.name), *told)

    def _identity(self, was: Json | None, will: Json | None) -> dict[str, Any] | None:
        """With the roles that it was given."""
        before = ManagedIdentity.from_document(was["identity"]) if was else None
        after = ManagedIdentity.from_document(will["identity"]) if will else None
        named = before or after
        if named is None:
            return None
        told = (None if each is None else _identity_fields(each) for each in (before, after))
        return _change_of(named.arm_id(self._scope), *told)

    def _upload(self, body: Json) -> dict[str, Any]:
        """Its place is another each time."""
        of = asset_release.AssetRelease.from_document(body["release"]).of
        plural, _, version = of.partition("/")
        name, _, number = version.rpartition(":")
        names = (plural, name, "versions", number, "pendingUploads")
        after = {"pendingUploadType": "TemporaryBlobReference"}
        return {
            "resourceId": self._scope.path(*names),
            "changeType": "Create",
            "before": None,
            "after": after,
            "delta": list(_delta(None, after)),
        }

    def _job(self, body: Json) -> dict[str, Any] | None:
        job = BatchJob.from_document(body["job"])
        after = {
            "endpointName": job.endpoint,
            "deploymentName": job.deployment,
            "inputs": {each.name: each.shown_uri for each in job.inputs},
            "output": {"datastore": job.output.container, "path": job.output.path},
            "settings": wire.to_wire(job.settings),
        }
        return self._shown(("jobs", job.name), None, after)

    def _shown(self, names: Sequence[str], was: Any, will: Any) -> dict[str, Any] | None:
        return _change_of(self._scope.path(*names), was, will)


def _change_of(resource: str, was: Any, will: Any) -> dict[str, Any] | None:
    """None where it stays as it is."""
    delta = list(_delta(was, will))
    if not delta:
        return None
    return {
        "resourceId": resource,
        "changeType": _type(was, will),
        "before": was,
        "after": will,
        "delta": delta,
    }


def _identity_fields(identity: ManagedIdentity) -> dict[str, Any]:
    roles = {
        each.name: {"roleDefinitionId": each.definition, "scope": each.scope}
        for each in identity.grants
    }
    return {"location": identity.location, "tags": identity.tags, "roleAssignments": roles}


def _client(body: Json) -> dict[str, Any]:
    return {"properties": {"role": body["role"]}}


def _prices(body: Json) -> dict[str, Any]:
    return {"properties": wire.to_wire(PriceSheet.from_document(body["prices"]))}


def _deployments(*given: TrackedResource | None) -> list[OnlineDeployment | None]:
    return [each if isinstance(each, OnlineDeployment) else None for each in given]


def _names(resource: TrackedResource) -> Sequence[str]:
    endpoint = getattr(resource, "endpoint", None)
    return (resource.name,) if endpoint is None else (endpoint, "deployments", resource.name)


def _type(before: object, after: object) -> str:
    if after is None:
        return "Delete"
    return "Create" if before is None else "Modify"


def _fields(resource: TrackedResource) -> dict[str, Any]:
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


def _consequences(consequences: Consequences) -> dict[str, Any]:
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
