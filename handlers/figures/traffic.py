"""Scoring requests one by one: `GET …/onlineEndpoints/{endpoint}/trafficLog`. It is ours; the
columns are those of Azure Monitor's AmlOnlineEndpointTrafficLog."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Detail, refuse
from domain.figures.traffic_reading import TrafficReading
from domain.ports.records.traffic_records import TrafficQuery
from handlers.http import Routes, paging

PATH: Final = "onlineEndpoints/{endpoint}/trafficLog"
_TEXT: Final = {"type": "string"}
QUERY: Final[dict[str, Any]] = {
    "deployment": _TEXT,
    "status": {**_TEXT, "description": "429, 5xx, 400-499; several with commas between"},
    "caller": _TEXT,
    "requestId": _TEXT,
    "minDurationMs": {"type": "number"},
    "since": {**_TEXT, "format": "date-time"},
    "until": {**_TEXT, "format": "date-time"},
}
_STATUS: Final = re.compile(
    r"(?P<one>[1-5]\d\d)(-(?P<other>[1-5]\d\d))?|(?P<hundred>[1-5])xx", re.I
)


def blueprint(routes: Routes, traffic: TrafficReading) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        PATH,
        action="onlineEndpoints/trafficLog/read",
        summary="An endpoint's scoring requests one by one, newest first",
        lists=True,
        query=QUERY,
    )
    async def list_online_endpoint_traffic(req: Request) -> Response:
        asked = query_of(req.path_params["endpoint"], req.query_params)
        page = paging(req)
        found = await traffic.query(asked, page_size=page.top, continuation=page.continuation)
        return routes.page(req, list(found.records), found.continuation)

    return bp


def query_of(endpoint: str, said: Mapping[str, str]) -> TrafficQuery:
    """Raises Invalid with every fault."""
    faults: list[Detail] = []

    def fault(name: str, told: str) -> None:
        faults.append(Detail("BadArgument", told, name))

    statuses = []
    for text in filter(None, (each.strip() for each in said.get("status", "").split(","))):
        found = _STATUS.fullmatch(text)
        if found is None:
            fault("status", f"'{text[:40]}' is no status: 429, 5xx or 400-499.")
        elif found["hundred"]:
            first = int(found["hundred"]) * 100
            statuses.append((first, first + 99))
        else:
            statuses.append((int(found["one"]), int(found["other"] or found["one"])))
    least: float | None = None
    if text := said.get("minDurationMs", ""):
        try:
            least = float(text)
        except ValueError:
            fault("minDurationMs", f"'{text[:40]}' is no number of milliseconds.")
    times: dict[str, float | None] = {}
    for name in ("since", "until"):
        times[name] = None
        if text := said.get(name, ""):
            try:
                time = datetime.fromisoformat(text.strip().replace(" ", "+"))
                times[name] = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
            except ValueError:
                fault(name, f"'{text[:40]}' is no time such as 2026-01-31T12:00:00Z.")
    refuse(faults)
    return TrafficQuery(
        endpoint=endpoint,
        deployment=said.get("deployment") or None,
        statuses=tuple(statuses),
        caller=said.get("caller") or None,
        request_id=said.get("requestId") or None,
        least_ms=least,
        since=times["since"],
        until=times["until"],
    )
