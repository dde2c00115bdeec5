"""What would change: each resource's wanted body beside the one that is there."""

from dataclasses import dataclass, field
from typing import Any

from cli.assets.registering import asset_id, planned_id
from cli.commands.by_resource import batch_deployment
from cli.commands.by_resource.batch_deployment import body as batch_body
from cli.deploying.sources import RECORDS, Source
from cli.documents.reading import difference
from cli.host.arm import Arm, path
from cli.kinds.collectors import with_data
from cli.resources import bare

COLLECTIONS = {
    "online-endpoint": "onlineEndpoints",
    "batch-endpoint": "batchEndpoints",
    "online-deployment": "onlineEndpoints",
    "batch-deployment": "batchEndpoints",
}


@dataclass(frozen=True)
class Change:
    """One field, by its dotted path: what it is, and what it would be."""

    field: str
    before: Any
    after: Any


@dataclass
class Item:
    """What would become of one resource: `create`, `change`, `delete` or `same`."""

    action: str
    title: str
    where: str
    source: Source | None = None
    changes: list[Change] = field(default_factory=list)
    there: Any = None


@dataclass
class Plan:
    """Items in the order in which they are carried out."""

    items: list[Item]

    @property
    def changes_anything(self) -> bool:
        return any(item.action != "same" for item in self.items)


def plan_of(arm: Arm, sources: list[Source], *, prune: bool) -> Plan:
    """The plan for the files: reads, and changes nothing. Raises CommandFailed."""
    items = [_planned(arm, source) for source in sources]
    if prune:
        items += _left_out(arm, sources)
    return Plan(items)


def _planned(arm: Arm, source: Source) -> Item:
    if source.kind not in COLLECTIONS:
        return _asset(arm, source)
    collection = COLLECTIONS[source.kind]
    where = path(collection, source.name)
    if source.endpoint:
        where = path(collection, source.endpoint, "deployments", source.name)
    there = arm.find(where)
    wanted = body_of(source, planned(arm, source.fields))
    if there is None:
        changes = [Change(name, None, value) for name, value in _flat(wanted)]
        return Item("create", source.title, where, source, changes)
    before = body_of(source, bare(shown_fields(source.kind, there)))
    whole = _laid_over(before, wanted)
    changes = [
        Change(name, _at(before, name), value) for name, value in _flat(difference(before, whole))
    ]
    return Item("change" if changes else "same", source.title, where, source, changes, there)


def _asset(arm: Arm, source: Source) -> Item:
    found = asset_id(arm, source.kind, source.fields)
    if found is not None:
        return Item("same", source.title, found, source)
    changes = [
        Change(name, None, value)
        for name, value in source.fields.items()
        if name not in ("name", "tags", "properties")
    ]
    return Item("create", source.title, "", source, changes)


def _left_out(arm: Arm, sources: list[Source]) -> list[Item]:
    """Deployments of the endpoints in the files that the files do not have."""
    items = []
    for source in sources:
        if source.kind not in ("online-endpoint", "batch-endpoint"):
            continue
        where = path(COLLECTIONS[source.kind], source.name)
        kind = source.kind.replace("endpoint", "deployment")
        kept = {s.name for s in sources if s.kind == kind and s.endpoint == source.name}
        if arm.find(where) is None:
            continue
        for there in arm.pages(f"{where}/deployments"):
            if there["name"] not in kept:
                title = f"{kind} {source.name}/{there['name']}"
                items.append(Item("delete", title, f"{where}/deployments/{there['name']}"))
    return items


def planned(arm: Arm, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with each asset named by the id it has, or would get."""
    kept = dict(fields)
    for name in ("model", "environment"):
        if kept.get(name) is not None:
            kept[name] = planned_id(arm, name, kept[name])
    if kept.get("data_collector") is not None:
        kept["data_collector"] = with_data(fields, lambda data: planned_id(arm, "data", data))
    code = kept.get("code_configuration")
    if code is not None:
        kept["code_configuration"] = {**code, "code": planned_id(arm, "code", code["code"])}
    return kept


def body_of(source: Source, fields: dict[str, Any]) -> dict[str, Any]:
    """What REST has for a resource's fields."""
    if source.kind == "batch-deployment":
        return batch_body(fields)
    body: dict[str, Any] = RECORDS[source.kind].sent(fields)
    return body


def shown_fields(kind: str, there: Any) -> dict[str, Any]:
    """What a file of this kind may say of what is there."""
    record = RECORDS[kind]
    shown = batch_deployment.shown(there) if kind == "batch-deployment" else record.shown(there)
    return {
        name: value
        for name, value in shown.items()
        if name in record.named and not record.named[name].ignored
    }


def _laid_over(before: Any, wanted: Any) -> Any:
    """What is not said stays as it is; traffic that is said is the whole of it."""
    if not isinstance(before, dict) or not isinstance(wanted, dict):
        return wanted
    kept = dict(before)
    for name, value in wanted.items():
        whole = name in ("traffic", "mirrorTraffic", "environmentVariables", "tags")
        kept[name] = value if whole else _laid_over(before.get(name), value)
    return kept


def _flat(body: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in body.items():
        dotted = f"{prefix}.{name}" if prefix else name
        if isinstance(value, dict) and value:
            found += _flat(value, dotted)
        else:
            found.append((dotted, value))
    return found


def _at(body: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(part)
    return body
