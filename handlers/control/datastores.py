"""Datastores: the built-in ones, read, and the keys to them."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.assets.datastore import DEFAULT, INBOX_DATASTORE, Datastore, Datastores
from domain.errors import Unsupported
from domain.names import PROVIDER
from handlers.auditing import Kept
from handlers.http import Routes, json_response, paging

_ITEM = "datastores/{name}"


def blueprint(routes: Routes, datastores: Datastores) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(bp, "GET", _ITEM, action="datastores/read", summary="Read a datastore")
    async def get_datastore(req: Request) -> Response:
        return json_response(_rendered(routes, datastores.get(req.path_params["name"])))

    @routes.arm(
        bp, "GET", "datastores", action="datastores/read", summary="List: datastores", lists=True
    )
    async def list_datastores(req: Request) -> Response:
        paging(req)
        query = req.query_params
        names = [name.casefold() for name in query.getlist("names")]
        default = query.get("isDefault")
        found = [
            _rendered(routes, datastore)
            for datastore in datastores.all()
            if (not names or datastore.name in names)
            and (not default or datastore.is_default == (default.casefold() == "true"))
        ]
        return routes.page(req, found, None)

    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/listSecrets",
        action="datastores/listSecrets/action",
        summary="The SAS token of a datastore",
        kept=Kept.SECRET,
    )
    async def list_datastore_secrets(req: Request) -> Response:
        token = await datastores.sas_token(req.path_params["name"])
        return json_response(
            {"secretsType": "Sas", "sasToken": token}, headers={"Cache-Control": "no-store"}
        )

    @routes.arm(
        bp, "PUT", _ITEM, action="datastores/write", summary="Refused: datastores are built in"
    )
    async def put_datastore(req: Request) -> Response:
        raise _built_in()

    @routes.arm(
        bp, "DELETE", _ITEM, action="datastores/delete", summary="Refused: datastores are built in"
    )
    async def delete_datastore(req: Request) -> Response:
        raise _built_in()

    return bp


def _built_in() -> Unsupported:
    return Unsupported(
        f"Datastores cannot be made, changed or deleted: there are the built-in '{DEFAULT}' and "
        f"'{INBOX_DATASTORE}', containers of this installation's blob store. Upload data to the "
        "first, or by startPendingUpload; drop input for batch endpoints into the second."
    )


def _rendered(routes: Routes, datastore: Datastore) -> dict[str, Any]:
    scope = routes.scope
    return {
        "id": scope.path("datastores", datastore.name),
        "name": datastore.name,
        "type": f"{PROVIDER}/workspaces/datastores",
        "properties": {
            "datastoreType": "AzureBlob",
            "description": None,
            "tags": {},
            "properties": {},
            "isDefault": datastore.is_default,
            "accountName": datastore.account_name,
            "containerName": datastore.container_name,
            "endpoint": datastore.endpoint,
            "protocol": datastore.protocol,
            "credentials": {"credentialsType": "Sas"},
            "serviceDataAccessAuthIdentity": "None",
            "subscriptionId": scope.subscription,
            "resourceGroup": scope.resource_group,
        },
    }
