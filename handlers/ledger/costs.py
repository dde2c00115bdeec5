"""What endpoints, deployments and jobs have used, and what it costs; what they would cost."""

import csv
import io
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Invalid
from domain.ground import access
from domain.ledger.activities import LedgerActivities
from domain.ledger.cost_estimating import Estimate
from domain.ledger.cost_query import CostQuery, CostRow, Granularity
from domain.ledger.cost_reading import Costs
from domain.ledger.counting.account import BATCH
from domain.ledger.price_sheet import PriceSheet
from domain.ledger.usage import Usage
from domain.names import PROVIDER
from domain.online.online_deployments import OnlineDeployments
from domain.ports import Principal
from handlers import wire
from handlers.auditing import Kept
from handlers.control.online_endpoints import DEPLOYMENT_ITEM
from handlers.http import Routes, anywhere, caller, conditions, json_response
from handlers.ledger.cost_asking import CostAsked, PriceSheetAsked, asked, names

QUERY_PATH = "providers/Microsoft.CostManagement/query"
PRICES = "priceSheets/default"
_CSV = "text/csv"
_FIELDS: wire.ArmFields = {
    PriceSheetAsked: wire.OtherFields(read_only=("id", "name", "type")),
    PriceSheet: wire.OtherFields(read_only=("isSample",)),
}
_ESTIMATED = {"instanceType": {"type": "string"}, "instanceCount": {"type": "integer"}}


def blueprint(
    routes: Routes, ledger: LedgerActivities, deployments: OnlineDeployments
) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "POST",
        QUERY_PATH,
        action="costs/read",
        at=anywhere,
        summary="What was used and what it costs, by day, endpoint, deployment, job, meter or tag: "
        "of what the caller may read, as JSON or, with Accept: text/csv, as CSV",
        body=CostAsked,
        may_lack_body=True,
        kept=Kept.NOTHING,
        name="query_costs",
    )
    async def query_costs(req: Request) -> Response:
        body = await wire.read(req, CostAsked, may_lack=True)
        query, who = asked(body, ledger.costs.today()), caller(req)
        found = await ledger.costs.read(query, lambda usage: _may_see(who, usage))
        if _CSV in req.headers.get("accept", ""):
            return Response(_csv(query, found), media_type=_CSV)
        return json_response(_rendered(routes, query, found))

    _add_prices(routes, bp, ledger)
    _add_estimates(routes, bp, ledger, deployments)
    return bp


def _add_prices(routes: Routes, bp: func.Blueprint, ledger: LedgerActivities) -> None:
    @routes.arm(bp, "GET", PRICES, action="priceSheets/read", summary="The prices that are used")
    async def get_price_sheet(req: Request) -> Response:
        sheet, etag = await ledger.prices.get()
        headers = {} if etag is None else {"ETag": etag}
        return json_response(_sheet(routes, sheet, etag is None), headers=headers)

    @routes.arm(
        bp,
        "PUT",
        PRICES,
        action="priceSheets/write",
        summary="Set the prices by which everything is reckoned, past usage included",
        body=PriceSheetAsked,
        statuses=(200, 201),
    )
    async def put_price_sheet(req: Request) -> Response:
        wanted = await wire.read(req, PriceSheetAsked, _FIELDS)
        etag, new = await ledger.prices.put(wanted.properties, conditions(req))
        shown = _sheet(routes, wanted.properties, is_sample=False)
        return json_response(shown, status=201 if new else 200, headers={"ETag": etag})

    @routes.arm(
        bp,
        "DELETE",
        PRICES,
        action="priceSheets/delete",
        summary="Use the sample's prices again",
        statuses=(200, 204),
    )
    async def delete_price_sheet(req: Request) -> Response:
        gone = await ledger.prices.delete(conditions(req))
        return Response(status_code=200 if gone else 204)


def _add_estimates(
    routes: Routes, bp: func.Blueprint, ledger: LedgerActivities, deployments: OnlineDeployments
) -> None:
    @routes.arm(
        bp,
        "GET",
        "costEstimate",
        action="costs/read",
        summary="What instances of a type would cost that run all the time",
        query=_ESTIMATED,
    )
    async def estimate_cost(req: Request) -> Response:
        given = req.query_params
        count = _count(given.get("instanceCount") or "1")
        estimate = await ledger.estimating.of(given.get("instanceType"), count)
        return json_response(_estimated(routes.scope.path("costEstimate"), estimate))

    @routes.arm(
        bp,
        "GET",
        f"{DEPLOYMENT_ITEM}/costEstimate",
        action="onlineEndpoints/deployments/read",
        summary="What an online deployment costs while it is as it is, or with other instances",
        query=_ESTIMATED,
    )
    async def estimate_online_deployment_cost(req: Request) -> Response:
        place, given = req.path_params, req.query_params
        found = (await deployments.get(place["endpoint"], place["deployment"])).resource
        instances = found.scale.instances if found.scale is not None else found.instance_count
        count = given.get("instanceCount")
        estimate = await ledger.estimating.of(
            given.get("instanceType") or found.properties.instance_type,
            instances if count is None else _count(count),
        )
        path = ("onlineEndpoints", found.endpoint, "deployments", found.name, "costEstimate")
        return json_response(_estimated(routes.scope.path(*path), estimate))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 <= int(text[:9]) <= 10_000:
        raise Invalid(
            f"'{text[:40]}' is not a number of instances; it is 0 to 10000.",
            target="instanceCount",
        )
    return int(text)


def _may_see(who: Principal, usage: Usage) -> bool:
    """Whoever may read an endpoint or its jobs; what belongs to none that is known, whoever may
    read all jobs."""
    account = usage.account
    kind = "jobs" if account.collection == BATCH else account.collection
    return access.allows(who, f"{kind}/read", account.subject)


def _rendered(routes: Routes, query: CostQuery, found: Costs) -> dict[str, Any]:
    numbers = {*(each.value for each in query.amounts), "UsageDate"}
    columns = [
        {"name": name, "type": "Number" if name in numbers else "String"} for name in names(query)
    ]
    return {
        "id": routes.scope.path(QUERY_PATH),
        "name": "query",
        "type": "Microsoft.CostManagement/query",
        "properties": {
            "nextLink": None,
            "columns": [*columns, {"name": "Currency", "type": "String"}],
            "rows": [_row(query, each, found) for each in found.rows],
            "timePeriod": {"from": query.since.isoformat(), "to": query.until.isoformat()},
            "prices": {
                "isSample": found.is_sample,
                "asOf": found.prices.as_of.isoformat() if found.prices.as_of else None,
                "source": found.prices.source,
            },
            "unpricedInstanceTypes": list(found.unpriced),
        },
    }


def _row(query: CostQuery, row: CostRow, found: Costs) -> list[Any]:
    amounts = [round(each, 8) for each in row.amounts]
    return [*amounts, *_when(query, row), *row.names, found.prices.currency]


def _when(query: CostQuery, row: CostRow) -> list[Any]:
    match query.granularity:
        case Granularity.DAILY:
            return [int(row.when.replace("-", ""))]
        case Granularity.MONTHLY:
            return [f"{row.when}-01T00:00:00"]
        case Granularity.NONE:
            return []


def _csv(query: CostQuery, found: Costs) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*names(query), "Currency"])
    for row in found.rows:
        when = [row.when] if row.when else []
        amounts = [f"{each:.8f}".rstrip("0").rstrip(".") for each in row.amounts]
        shown = [_harmless(each) for each in row.names]
        writer.writerow([*amounts, *when, *shown, found.prices.currency])
    return text.getvalue()


def _harmless(text: str) -> str:
    """A tag's value is anybody's; a spreadsheet would run what begins like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _sheet(routes: Routes, sheet: PriceSheet, is_sample: bool) -> dict[str, Any]:
    return {
        "id": routes.scope.path(PRICES),
        "name": "default",
        "type": f"{PROVIDER}/workspaces/priceSheets",
        "properties": {**wire.to_wire(sheet), "isSample": is_sample},
    }


def _estimated(id: str, estimate: Estimate) -> dict[str, Any]:
    return {
        "id": id,
        "name": "costEstimate",
        "type": f"{PROVIDER}/workspaces/costEstimate",
        "properties": {
            "instanceType": estimate.instance_type,
            "instanceCount": estimate.instances,
            "currency": estimate.prices.currency,
            "perHour": _money(estimate.per_hour),
            "perDay": _money(estimate.per_day),
            "perMonth": _money(estimate.per_month),
            "prices": {
                "isSample": estimate.is_sample,
                "asOf": estimate.prices.as_of.isoformat() if estimate.prices.as_of else None,
                "source": estimate.prices.source,
            },
        },
    }


def _money(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 6)
