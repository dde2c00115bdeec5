"""What gathers in the inbox before it becomes a job: ours."""

from datetime import UTC, datetime
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.drops.blob_drop import Arrival, DropState
from domain.drops.open_drops import OpenDrop, OpenDrops
from domain.ground.access import allows
from domain.names import PROVIDER
from handlers import wire
from handlers.http import Routes, anywhere, caller, json_response, paging

_ACTION = "batchEndpoints/drops/read"
_DROP = "batchEndpoints/{endpoint}/drop"


def blueprint(routes: Routes, drops: OpenDrops) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        "drops",
        action=_ACTION,
        at=anywhere,
        summary="List what gathers in the inbox now: those that the caller may read. A page may be "
        "short, or empty, and have another after it",
        lists=True,
    )
    async def list_drops(req: Request) -> Response:
        asked, who = paging(req), caller(req)
        found, more = await drops.page(asked.top, asked.continuation)
        shown = [
            _rendered(routes, each)
            for each in found
            if allows(who, _ACTION, f"batchEndpoints/{each.drop.endpoint}")
        ]
        return routes.page(req, shown, more)

    @routes.arm(
        bp,
        "GET",
        _DROP,
        action=_ACTION,
        summary="What gathers for a batch endpoint, and when it becomes which job",
    )
    async def get_drop(req: Request) -> Response:
        found = await drops.of(req.path_params["endpoint"])
        return json_response(_rendered(routes, found))

    @routes.arm(
        bp,
        "GET",
        f"{_DROP}/files",
        action=_ACTION,
        summary="List the files that have come for a batch endpoint and that no job has taken yet",
        lists=True,
    )
    async def list_drop_files(req: Request) -> Response:
        asked, endpoint = paging(req), req.path_params["endpoint"]
        await drops.of(endpoint)
        found, more = await drops.files(endpoint, asked.top, asked.continuation)
        return routes.page(req, [_file(each) for each in found], more)

    return bp


def _rendered(routes: Routes, found: OpenDrop) -> dict[str, Any]:
    drop = found.drop
    is_open = drop.state is not DropState.IDLE
    options = drop.options if is_open else None
    return {
        "id": routes.scope.path("batchEndpoints", drop.endpoint, "drop"),
        "name": drop.endpoint,
        "type": f"{PROVIDER}/workspaces/batchEndpoints/drops",
        "properties": {
            "endpointName": drop.endpoint,
            "state": drop.state.value,
            "files": found.files,
            "bytes": found.bytes,
            "isComplete": found.is_complete,
            "firstArrivalAt": _time(drop.first_at) if is_open else None,
            "lastArrivalAt": _time(drop.last_at) if is_open else None,
            "sealsAt": found.seals_at.isoformat() if found.seals_at else None,
            "marker": drop.marker,
            "waitingFor": drop.waiting_for,
            "jobName": drop.id if is_open else None,
            "deploymentName": found.deployment,
            "options": wire.to_wire(options) if options else None,
        },
    }


def _file(arrival: Arrival) -> dict[str, Any]:
    return {"name": arrival.name, "size": arrival.size, "arrivedAt": _time(arrival.at)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
