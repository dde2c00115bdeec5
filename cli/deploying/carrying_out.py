"""A plan carried out: assets, endpoints, deployments, then traffic; what is left out, last."""

from typing import Any

from cli.assets.registering import register
from cli.deploying.plan import COLLECTIONS, Item, Plan, body_of
from cli.deploying.sources import Source
from cli.documents.reading import difference
from cli.host.arm import path
from cli.resources import finish, prepare
from cli.verbs import Session

_AFTER = ("traffic", "mirrorTraffic", "rollout", "defaults")
"""Of endpoints: what names deployments, which have to be there first."""


def carry_out(session: Session, plan: Plan) -> None:
    """Do what the plan says. What was done stays when something fails: the same command goes on
    from there. Raises CommandFailed."""
    for item in plan.items:
        if item.action in ("create", "change") and item.source is not None:
            _make(session, item, item.source)
    for item in plan.items:
        if item.source is not None and item.source.kind.endswith("-endpoint"):
            _point(session, item, item.source)
    for item in plan.items:
        if item.action == "delete":
            finish(session, item.title, session.arm.change("DELETE", item.where), no_wait=False)


def _make(session: Session, item: Item, source: Source) -> None:
    if source.kind not in COLLECTIONS:
        register(session.arm, source.kind, source.fields)
        return
    body = body_of(source, prepare(session, source.fields))
    if source.kind.endswith("-endpoint"):
        for name in _AFTER:
            body.get("properties", {}).pop(name, None)
        if item.action == "change":
            body = _only_changes(item, body)
    method = "PUT" if item.action == "create" else "PATCH"
    if body:
        operation = session.arm.change(method, item.where, body)
        finish(session, item.title, operation, no_wait=False)


def _only_changes(item: Item, body: dict[str, Any]) -> dict[str, Any]:
    there = {name: item.there.get(name) for name in body}
    patch = difference(there, body)
    kept = {name: each for name, each in patch.get("properties", {}).items() if each is not None}
    patch.pop("properties", None)
    return {**patch, **({"properties": kept} if kept else {})}


def _point(session: Session, item: Item, source: Source) -> None:
    """Traffic and defaults, now that there is something to point to."""
    said = body_of(source, source.fields).get("properties", {})
    wanted = {name: said[name] for name in _AFTER if name in said}
    where = path(COLLECTIONS[source.kind], source.name)
    there = session.arm.get(where)["properties"]
    if "traffic" in wanted:
        wanted["traffic"] = {**dict.fromkeys(there.get("traffic") or {}), **wanted["traffic"]}
        kept = {name: share for name, share in wanted["traffic"].items() if share}
        if kept == there.get("traffic"):
            del wanted["traffic"]
    for name in ("mirrorTraffic", "defaults"):
        if name in wanted and wanted[name] == there.get(name):
            del wanted[name]
    if item.action == "same" and not wanted:
        return
    if wanted:
        operation = session.arm.change("PATCH", where, {"properties": wanted})
        finish(session, f"what {source.title} points to", operation, no_wait=False)
