"""What the host says that would come of a plan: refusals, restarts and costs."""

import json
from typing import Any

from cli.deploying.plan import COLLECTIONS, Item, Plan, body_of, planned
from cli.failures import Refused
from cli.host.arm import Arm

_AS_OLD = "priceSheets/default"
"""Hosts have had it for as long as dry runs."""


def consequences_of(arm: Arm, plan: Plan) -> dict[int, list[str]]:
    """Sentences by the `id` of each item."""
    if not plan.changes_anything or arm.find(_AS_OLD) is None:
        # The host is older than dry runs, and would do what it was asked to try.
        return {}
    return {id(each): _tried(arm, plan, each) for each in plan.items}


def _tried(arm: Arm, plan: Plan, item: Item) -> list[str]:
    """None where it cannot be tried before something else is there."""
    source = item.source
    if source is None or item.action == "same" or not source.kind.endswith("-deployment"):
        return []
    if any(_is_needed(each, source.endpoint or "") for each in plan.items):
        return []
    body = body_of(source, planned(arm, source.fields))
    method = "PUT" if item.action == "create" else "PATCH"
    try:
        answer = arm.call(method, item.where, body, query={"dryRun": "true"})
    except Refused as refused:
        return [f"would be refused: {each}" for each in refused.faults or [refused.message]]
    found = json.loads(answer.read()).get("properties") or {}
    return [line for each in found.get("changes") or () for line in _lines(each)]


def _is_needed(item: Item, endpoint: str) -> bool:
    """Whether it is to be made before a deployment of `endpoint` can be."""
    if item.action != "create" or item.source is None:
        return False
    is_asset = item.source.kind not in COLLECTIONS
    return is_asset or (item.source.kind.endswith("-endpoint") and item.source.name == endpoint)


def _lines(change: dict[str, Any]) -> list[str]:
    told = change.get("consequences")
    if not told:
        return []
    cost = told["costPerDay"]
    lines = [told["effect"]]
    if cost["after"] is not None:
        before = "" if not cost["before"] else f"{cost['before']:g} -> "
        sample = " (prices are a sample)" if cost["isSample"] else ""
        lines.append(f"A day: {before}{cost['after']:g} {cost['currency']}{sample}")
    return lines
