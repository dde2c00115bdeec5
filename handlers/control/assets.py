"""Models, codes, environments and data: one set of functions for each kind."""

from typing import Any, Generic, TypeVar

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.assets.asset import (
    KINDS,
    AnyContainer,
    AssetKind,
    AssetProperties,
    AssetVersion,
    CodeVersion,
    CodeVersionProperties,
    ContainerProperties,
    DataContainerProperties,
    DataVersion,
    DataVersionProperties,
    EnvironmentVersionProperties,
    ModelVersion,
    ModelVersionProperties,
    Saved,
)
from domain.assets.asset_containers import AssetContainers
from domain.assets.asset_labels import labels_of
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import shown_uri, storage_account_id
from domain.assets.sealing.asset_uploads import PendingUpload
from domain.errors import Invalid
from domain.ground.resource import Conditions
from domain.names import PROVIDER
from domain.values import Value
from handlers import wire
from handlers.control import asset_queries
from handlers.control.merging import as_it_is, merged
from handlers.http import Routes, caller, conditions, json_response, paging, system_data

P = TypeVar("P", bound=Value)

_PREVIEW = {
    "autoDeleteSetting": "Nothing is deleted by itself here.",
    "intellectualProperty": "Access is decided by roles, not by publisher.",
}


class AssetBody(Value, Generic[P]):
    """ARM's envelope of an asset."""

    properties: P


class UploadRequest(Value):
    pending_upload_type: str | None = "TemporaryBlobReference"


_CONTAINER = wire.OtherFields(("provisioningState", "latestVersion", "nextVersion", "labels"))
_VERSION = wire.OtherFields(("provisioningState", "seal"), _PREVIEW)
ARM_FIELDS: wire.ArmFields = {
    AssetBody: wire.OtherFields(
        read_only=("id", "name", "type", "etag", "systemData"),
        refused={"tags": "The tags of an asset stand in properties.tags."},
    ),
    UploadRequest: wire.OtherFields(
        refused={"pendingUploadId": "Each call starts an upload of its own; leave the id out."},
    ),
    ContainerProperties: _CONTAINER,
    DataContainerProperties: _CONTAINER,
    ModelVersionProperties: _VERSION,
    CodeVersionProperties: _VERSION,
    DataVersionProperties: wire.OtherFields(
        read_only=("provisioningState",),
        refused=_PREVIEW,
    ),
    EnvironmentVersionProperties: wire.OtherFields(
        read_only=("provisioningState", "environmentType"),
        refused={
            **_PREVIEW,
        },
    ),
}


def blueprint(routes: Routes, registration: AssetRegistration) -> func.Blueprint:
    bp = func.Blueprint()
    for kind in KINDS:
        _add_container_writes(routes, bp, registration.containers, kind)
        _add_container_reads(routes, bp, registration.containers, kind)
        _add_version_writes(routes, bp, registration, kind)
        _add_version_reads(routes, bp, registration, kind)
        if kind.uri is not None:
            _add_upload(routes, bp, registration, kind)
    _add_build(routes, bp, registration)
    return bp


def _add_container_writes(
    routes: Routes, bp: func.Blueprint, containers: AssetContainers, kind: AssetKind
) -> None:
    body = AssetBody[kind.container_properties]  # type: ignore[name-defined]  # of the row
    item, noun = f"{kind.plural}/{{name}}", kind.noun

    def answer(saved: Saved[AnyContainer]) -> Response:
        return _answer(_rendered_container(routes, kind, saved.asset), saved)

    @routes.arm(
        bp,
        "PUT",
        item,
        name=f"put_{noun}",
        action=f"{kind.plural}/write",
        summary=f"Create or replace a {noun} container",
        body=body,
        statuses=(200, 201),
    )
    async def put(req: Request) -> Response:
        wanted = await wire.read(req, body, ARM_FIELDS)
        name = req.path_params["name"]
        who, when = caller(req).id, conditions(req)
        return answer(await containers.put(kind, name, wanted.properties, who, when))

    @routes.arm(
        bp,
        "PATCH",
        item,
        name=f"patch_{noun}",
        action=f"{kind.plural}/write",
        summary=f"Change a {noun} container by JSON merge patch",
        body=body,
    )
    async def patch(req: Request) -> Response:
        name = req.path_params["name"]

        async def read() -> tuple[Any, str]:
            found = await containers.get(kind, name)
            return body(properties=found.asset.properties), found.etag

        async def replace(wanted: Any, when: Conditions) -> Saved[AnyContainer]:
            properties: AssetProperties = wanted.properties
            return await containers.put(kind, name, properties, caller(req).id, when)

        return answer(await merged(req, body, ARM_FIELDS, read, replace, as_it_is))

    @routes.arm(
        bp,
        "DELETE",
        item,
        name=f"delete_{noun}",
        action=f"{kind.plural}/delete",
        summary=f"Delete a {noun} container and its versions",
        statuses=(200, 204),
    )
    async def delete(req: Request) -> Response:
        gone = await containers.delete(kind, req.path_params["name"], conditions(req))
        return Response(status_code=200 if gone else 204)


def _add_container_reads(
    routes: Routes, bp: func.Blueprint, containers: AssetContainers, kind: AssetKind
) -> None:
    noun = kind.noun

    @routes.arm(
        bp,
        "GET",
        f"{kind.plural}/{{name}}",
        name=f"get_{noun}",
        action=f"{kind.plural}/read",
        summary=f"Read a {noun} container",
    )
    async def get(req: Request) -> Response:
        saved = await containers.get(kind, req.path_params["name"])
        return _answer(_rendered_container(routes, kind, saved.asset), saved)

    @routes.arm(
        bp,
        "GET",
        kind.plural,
        name=f"list_{noun}_containers",
        action=f"{kind.plural}/read",
        summary=f"List: {noun} containers",
        lists=True,
    )
    async def list_(req: Request) -> Response:
        page = paging(req)
        found, more = await containers.list(
            kind, asset_queries.view(req), page.top, page.continuation
        )
        items = [_rendered_container(routes, kind, saved.asset) for saved in found]
        return routes.page(req, items, more)


def _names(req: Request) -> tuple[str, str]:
    return req.path_params["name"], req.path_params["version"]


def _add_version_writes(
    routes: Routes, bp: func.Blueprint, registration: AssetRegistration, kind: AssetKind
) -> None:
    body = AssetBody[kind.version_properties]  # type: ignore[name-defined]  # of the row
    item, noun = f"{kind.plural}/{{name}}/versions/{{version}}", kind.noun
    actions = f"{kind.plural}/versions"

    def answer(saved: Saved[AssetVersion]) -> Response:
        return _answer(_rendered_version(routes, kind, saved.asset), saved)

    @routes.arm(
        bp,
        "PUT",
        item,
        name=f"put_{noun}_version",
        action=f"{actions}/write",
        summary=f"Register a {noun} version",
        body=body,
        statuses=(200, 201),
    )
    async def put(req: Request) -> Response:
        wanted = await wire.read(req, body, ARM_FIELDS)
        who, when = caller(req).id, conditions(req)
        return answer(
            await registration.put_version(kind, *_names(req), wanted.properties, who, when)
        )

    @routes.arm(
        bp,
        "PATCH",
        item,
        name=f"patch_{noun}_version",
        action=f"{actions}/write",
        summary=f"Change what may change of a {noun} version by JSON merge patch",
        body=body,
    )
    async def patch(req: Request) -> Response:
        async def read() -> tuple[Any, str]:
            found = await registration.version(kind, *_names(req))
            return body(properties=found.asset.properties), found.etag

        async def replace(wanted: Any, when: Conditions) -> Saved[AssetVersion]:
            who = caller(req).id
            return await registration.put_version(kind, *_names(req), wanted.properties, who, when)

        return answer(await merged(req, body, ARM_FIELDS, read, replace, as_it_is))

    @routes.arm(
        bp,
        "DELETE",
        item,
        name=f"delete_{noun}_version",
        action=f"{actions}/delete",
        summary=f"Delete a {noun} version",
        statuses=(200, 204),
    )
    async def delete(req: Request) -> Response:
        gone = await registration.delete_version(kind, *_names(req), conditions(req))
        return Response(status_code=200 if gone else 204)


def _add_version_reads(
    routes: Routes, bp: func.Blueprint, registration: AssetRegistration, kind: AssetKind
) -> None:
    collection, noun = f"{kind.plural}/{{name}}/versions", kind.noun
    actions = f"{kind.plural}/versions"

    @routes.arm(
        bp,
        "GET",
        f"{collection}/{{version}}",
        name=f"get_{noun}_version",
        action=f"{actions}/read",
        summary=f"Read a {noun} version",
    )
    async def get(req: Request) -> Response:
        saved = await registration.version(kind, *_names(req))
        return _answer(_rendered_version(routes, kind, saved.asset), saved)

    @routes.arm(
        bp,
        "GET",
        collection,
        name=f"list_{noun}_versions",
        action=f"{actions}/read",
        summary=f"List: versions of a {noun}, newest first",
        lists=True,
    )
    async def list_(req: Request) -> Response:
        found, more = await registration.versions(
            kind, req.path_params["name"], asset_queries.listing(req)
        )
        items = [_rendered_version(routes, kind, saved.asset) for saved in found]
        return routes.page(req, items, more)


def _add_build(routes: Routes, bp: func.Blueprint, registration: AssetRegistration) -> None:
    @routes.arm(
        bp,
        "GET",
        "environments/{name}/versions/{version}/build",
        name="get_environment_build",
        action="environments/versions/read",
        summary="What building an environment version came to: packages, log, image",
    )
    async def get(req: Request) -> Response:
        name, version = _names(req)
        built = await registration.environment_build(name, version)
        return json_response(
            {
                "id": routes.scope.path("environments", name, "versions", version, "build"),
                "name": "build",
                "type": f"{PROVIDER}/workspaces/environments/versions/build",
                "properties": {
                    "image": built.image,
                    "baseImage": built.base,
                    "lock": built.lock,
                    "log": built.log,
                },
            }
        )


def _add_upload(
    routes: Routes, bp: func.Blueprint, registration: AssetRegistration, kind: AssetKind
) -> None:
    @routes.arm(
        bp,
        "POST",
        f"{kind.plural}/{{name}}/versions/{{version}}/startPendingUpload",
        name=f"start_{kind.noun}_upload",
        action=f"{kind.plural}/versions/startPendingUpload/action",
        summary=f"Where to put the files of a {kind.noun} version to come",
        body=UploadRequest,
    )
    async def start(req: Request) -> Response:
        asked = await wire.read(req, UploadRequest, ARM_FIELDS)
        if asked.pending_upload_type not in (None, "TemporaryBlobReference"):
            raise Invalid("Uploads are TemporaryBlobReference here.", target="pendingUploadType")
        names = req.path_params
        upload = await registration.uploads.start(kind, names["name"], names["version"])
        return json_response(
            _rendered_upload(routes, upload), headers={"Cache-Control": "no-store"}
        )


def _answer(body: dict[str, Any], saved: Saved[Any]) -> Response:
    return json_response(body, status=201 if saved.new else 200, headers={"ETag": saved.etag})


def _rendered_container(routes: Routes, kind: AssetKind, container: AnyContainer) -> dict[str, Any]:
    return {
        "id": routes.scope.path(kind.plural, container.name),
        "name": container.name,
        "type": f"{PROVIDER}/workspaces/{kind.plural}",
        "properties": {
            **wire.to_wire(container.properties),
            "latestVersion": container.latest,
            "nextVersion": container.next_version,
            "labels": labels_of(container),
            "provisioningState": "Succeeded",
        },
        "systemData": system_data(container),
    }


def _rendered_version(routes: Routes, kind: AssetKind, version: AssetVersion) -> dict[str, Any]:
    properties = wire.to_wire(version.properties)
    if isinstance(version.properties, EnvironmentVersionProperties):
        properties["environmentType"] = "UserCreated"
    folder = getattr(version, "folder", None)
    if isinstance(version, ModelVersion | DataVersion) and folder is not None and kind.uri:
        uri = getattr(version.properties, kind.uri)
        properties[f"{kind.noun}Uri"] = shown_uri(uri, folder, routes.scope)
    if isinstance(version, ModelVersion | CodeVersion) and version.seal is not None:
        properties["seal"] = wire.to_wire(version.seal)
    return {
        "id": routes.scope.path(kind.plural, version.name, "versions", version.version),
        "name": version.version,
        "type": f"{PROVIDER}/workspaces/{kind.plural}/versions",
        "properties": {**properties, "provisioningState": "Succeeded"},
        "systemData": system_data(version),
    }


def _rendered_upload(routes: Routes, upload: PendingUpload) -> dict[str, Any]:
    return {
        "pendingUploadId": upload.id,
        "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": {
            "blobUri": upload.blob_uri,
            "storageAccountArmId": storage_account_id(routes.scope, upload.blob_uri),
            "credential": {"credentialType": "SAS", "sasUri": upload.sas_uri},
        },
    }
