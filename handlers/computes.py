"""Computes on the control plane. What is asked of one is done at once."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.compute_target import (
    ClusterProperties,
    ComputeProperties,
    ComputeTarget,
    ComputeTargets,
)
from domain.resource import Conditions, Stored, Wanted
from handlers import wire
from handlers.http import (
    Routes,
    caller,
    conditions,
    json_response,
    paging,
    render_resource,
)
from handlers.merging import merged

_ITEM = "computes/{name}"
_BODY = Wanted[ComputeProperties]
_NODES = "Nodes are processes of this machine; they have no network or login of their own."

wire.register(
    ComputeProperties,
    read_only=(
        "provisioningState",
        "provisioningErrors",
        "createdOn",
        "modifiedOn",
        "isAttachedCompute",
    ),
    refused={"resourceId": "Nothing can be attached: a cluster here has no resource behind it."},
)
wire.register(
    ClusterProperties,
    read_only=(
        "allocationState",
        "allocationStateTransitionTime",
        "errors",
        "currentNodeCount",
        "targetNodeCount",
        "nodeStateCounts",
    ),
    refused={
        "isolatedNetwork": _NODES,
        "propertyBag": "There is nothing that would read it.",
        "subnet": _NODES,
        "userAccountCredentials": _NODES,
        "virtualMachineImage": "Nodes are processes of this machine, and use its own system.",
    },
)


def blueprint(routes: Routes, computes: ComputeTargets) -> func.Blueprint:
    bp = func.Blueprint()

    def rendered(target: ComputeTarget) -> dict[str, Any]:
        read_only = {
            "createdOn": target.created_at.isoformat(),
            "modifiedOn": target.modified_at.isoformat(),
            "isAttachedCompute": False,
            "provisioningErrors": None,
        }
        return render_resource(
            target, routes.scope.path("computes", target.name), "computes", read_only
        )

    def answer(stored: Stored[ComputeTarget], *, new: bool = False) -> Response:
        return json_response(
            rendered(stored.resource), status=201 if new else 200, headers={"ETag": stored.etag}
        )

    @routes.arm(
        bp,
        "PUT",
        _ITEM,
        action="computes/write",
        summary="Create or change a compute cluster",
        body=_BODY,
        statuses=(200, 201),
    )
    async def put_compute(req: Request) -> Response:
        wanted = await wire.read(req, _BODY)
        stored, new = await computes.put(
            req.path_params["name"], wanted, caller(req).id, conditions(req)
        )
        return answer(stored, new=new)

    @routes.arm(
        bp,
        "PATCH",
        _ITEM,
        action="computes/write",
        summary="Change a compute cluster by JSON merge patch",
        body=_BODY,
    )
    async def patch_compute(req: Request) -> Response:
        name = req.path_params["name"]

        async def read() -> tuple[Wanted[ComputeProperties], str]:
            found = await computes.get(name)
            return _wanted_of(found.resource), found.etag

        async def replace(
            wanted: Wanted[ComputeProperties], when: Conditions
        ) -> Stored[ComputeTarget]:
            stored, _ = await computes.put(name, wanted, caller(req).id, when)
            return stored

        return answer(await merged(req, _BODY, read, replace))

    @routes.arm(bp, "GET", _ITEM, action="computes/read", summary="Read a compute")
    async def get_compute(req: Request) -> Response:
        return answer(await computes.get(req.path_params["name"]))

    @routes.arm(bp, "GET", "computes", action="computes/read", summary="List: computes", lists=True)
    async def list_computes(req: Request) -> Response:
        page = paging(req)
        found, more = await computes.list(page.top, page.continuation)
        return routes.page(req, [rendered(stored.resource) for stored in found], more)

    @routes.arm(
        bp,
        "DELETE",
        _ITEM,
        action="computes/delete",
        summary="Delete a compute cluster",
        statuses=(200, 204),
    )
    async def delete_compute(req: Request) -> Response:
        gone = await computes.delete(req.path_params["name"], conditions(req))
        return Response(status_code=200 if gone else 204)

    return bp


def _wanted_of(target: ComputeTarget) -> Wanted[ComputeProperties]:
    return _BODY(
        location=target.location,
        tags=target.tags,
        identity=target.identity,
        kind=target.kind,
        sku=target.sku,
        properties=target.properties,
    )
