"""Labels of models, codes, environments and data: these are ours, but for `latest`."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.assets.asset import KINDS, AssetKind
from domain.assets.asset_labels import AssetLabels, labels_of, version_of
from domain.names import PROVIDER
from domain.values import Value
from handlers import wire
from handlers.http import Routes, caller, conditions, json_response


class LabelProperties(Value):
    version: str


class LabelBody(Value):
    properties: LabelProperties


ARM_FIELDS: wire.ArmFields = {
    LabelBody: wire.OtherFields(read_only=("id", "name", "type")),
    LabelProperties: wire.OtherFields(read_only=("versionId",)),
}


def blueprint(routes: Routes, labels: AssetLabels) -> func.Blueprint:
    bp = func.Blueprint()
    for kind in KINDS:
        _add_reads(routes, bp, labels, kind)
        _add_writes(routes, bp, labels, kind)
    return bp


def _add_reads(routes: Routes, bp: func.Blueprint, labels: AssetLabels, kind: AssetKind) -> None:
    noun = kind.noun

    @routes.arm(
        bp,
        "GET",
        f"{kind.plural}/{{name}}/labels",
        name=f"list_{noun}_labels",
        action=f"{kind.plural}/labels/read",
        summary=f"List: labels of a {noun}, and the versions that have them",
        lists=True,
    )
    async def list_(req: Request) -> Response:
        container = (await labels.all(kind, req.path_params["name"])).asset
        shown = [
            _rendered(routes, kind, container.name, label, version)
            for label, version in labels_of(container).items()
        ]
        return routes.page(req, shown, None)

    @routes.arm(
        bp,
        "GET",
        f"{kind.plural}/{{name}}/labels/{{label}}",
        name=f"get_{noun}_label",
        action=f"{kind.plural}/labels/read",
        summary=f"Which version of a {noun} has a label",
    )
    async def get(req: Request) -> Response:
        found = await labels.all(kind, req.path_params["name"])
        label = req.path_params["label"]
        version = version_of(kind, found.asset, label)
        shown = _rendered(routes, kind, found.asset.name, label.lower(), version)
        return json_response(shown, headers={"ETag": found.etag})


def _add_writes(routes: Routes, bp: func.Blueprint, labels: AssetLabels, kind: AssetKind) -> None:
    noun = kind.noun

    @routes.arm(
        bp,
        "PUT",
        f"{kind.plural}/{{name}}/labels/{{label}}",
        name=f"put_{noun}_label",
        action=f"{kind.plural}/labels/write",
        summary=f"Give a label to a version of a {noun}, and take it from the one that had it",
        body=LabelBody,
        statuses=(200, 201),
    )
    async def put(req: Request) -> Response:
        wanted = await wire.read(req, LabelBody, ARM_FIELDS)
        name, label = req.path_params["name"], req.path_params["label"]
        who, when = caller(req).id, conditions(req)
        saved = await labels.put(kind, name, label, wanted.properties.version, who, when)
        version = version_of(kind, saved.asset, label)
        shown = _rendered(routes, kind, saved.asset.name, label.lower(), version)
        status = 201 if saved.new else 200
        return json_response(shown, status=status, headers={"ETag": saved.etag})

    @routes.arm(
        bp,
        "DELETE",
        f"{kind.plural}/{{name}}/labels/{{label}}",
        name=f"delete_{noun}_label",
        action=f"{kind.plural}/labels/delete",
        summary=f"Take a label away from the version of a {noun} that has it",
        statuses=(200, 204),
    )
    async def delete(req: Request) -> Response:
        name, label = req.path_params["name"], req.path_params["label"]
        gone = await labels.delete(kind, name, label, caller(req).id, conditions(req))
        return Response(status_code=200 if gone else 204)


def _rendered(
    routes: Routes, kind: AssetKind, name: str, label: str, version: str
) -> dict[str, Any]:
    return {
        "id": routes.scope.path(kind.plural, name, "labels", label),
        "name": label,
        "type": f"{PROVIDER}/workspaces/{kind.plural}/labels",
        "properties": {
            "version": version,
            "versionId": routes.scope.path(kind.plural, name, "versions", version),
        },
    }
