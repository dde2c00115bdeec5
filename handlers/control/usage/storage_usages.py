"""What is kept, of what, and how much room there is."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.names import PROVIDER
from domain.ports import DiskState
from domain.usage.storage_usages import StorageUsage, StorageUsages
from handlers.http import Routes, json_response, paging

_STORAGE = "storage"
_USAGES = "storageUsages"


def blueprint(routes: Routes, usages: StorageUsages) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        _STORAGE,
        action="storage/read",
        summary="How full the disk of the host that answers is, and what is on it",
    )
    async def get_storage(req: Request) -> Response:
        state = await usages.disk()
        properties = {"disk": None, "folders": []} if state is None else _disk(state)
        return json_response(
            {
                "id": routes.scope.path(_STORAGE),
                "name": _STORAGE,
                "type": f"{PROVIDER}/workspaces/{_STORAGE}",
                "properties": properties,
            }
        )

    @routes.arm(
        bp,
        "GET",
        _USAGES,
        action="storage/read",
        summary="List: what endpoints, deployments, jobs and assets take of disk and Blob",
        lists=True,
        query={"type": {"type": "string"}},
    )
    async def list_storage_usages(req: Request) -> Response:
        page = paging(req)
        found, more = await usages.page(req.query_params.get("type"), page.top, page.continuation)
        return routes.page(req, [_rendered(routes, each) for each in found], more)

    return bp


def _disk(state: DiskState) -> dict[str, Any]:
    return {
        "disk": {
            "totalBytes": state.total,
            "freeBytes": state.free,
            "reserveBytes": state.reserve,
            "takesNewWork": state.takes_new_work,
        },
        "folders": [
            {"name": each.name, "bytes": each.size, "isComplete": each.is_complete}
            for each in state.folders
        ],
    }


def _rendered(routes: Routes, usage: StorageUsage) -> dict[str, Any]:
    first, *inner = usage.collection.split("/")
    path = [first, usage.names[0]]
    for collection, name in zip(inner, usage.names[1:], strict=True):
        path += [collection, name]
    return {
        "id": routes.scope.path(*path),
        "name": usage.names[-1],
        "type": f"{PROVIDER}/workspaces/{usage.collection}",
        "properties": {
            "blobs": usage.blobs,
            "blobBytes": usage.blob_bytes,
            "diskBytes": usage.disk_bytes,
            "isComplete": usage.is_complete,
        },
    }
