"""Clients of the token issuer and their roles, for owners alone."""

from typing import Annotated, Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from pydantic import Field

from domain.ground.resource import Conditions
from domain.names import PROVIDER
from domain.ports import Clients, Document, NewSecret, RegisteredClient
from domain.ports.identity import Check
from domain.values import Value
from handlers import wire
from handlers.answers.access import ClientAnswer
from handlers.control.merging import as_it_is, merged
from handlers.http import Routes, conditions, json_response, paging

PATH = "clients"
_ITEM = f"{PATH}/{{name}}"


class ClientProperties(Value):
    """`role` is `reader`, `contributor`, `scorer` or `owner`; for a part of the workspace
    `scorer/onlineEndpoints/iris`; several with commas between."""

    role: Annotated[str, Field(min_length=1, max_length=1200)]


class ClientBody(Value):
    properties: ClientProperties


ARM_FIELDS: wire.ArmFields = {
    ClientBody: wire.OtherFields(read_only=("id", "name", "type", "systemData")),
    ClientProperties: wire.OtherFields(read_only=("clientId", "clientSecret")),
}


def blueprint(routes: Routes, clients: Clients) -> func.Blueprint:
    bp = func.Blueprint()
    _add_changes(routes, bp, clients)
    _add_secrets(routes, bp, clients)
    _add_reading(routes, bp, clients)
    return bp


def _add_changes(routes: Routes, bp: func.Blueprint, clients: Clients) -> None:
    @routes.arm(
        bp,
        "PUT",
        _ITEM,
        action=f"{PATH}/write",
        summary="Make a client, whose secret is told this once, or change its role",
        body=ClientBody,
        answer=ClientAnswer,
        statuses=(200, 201),
    )
    async def put_client(req: Request) -> Response:
        asked = await wire.read(req, ClientBody, ARM_FIELDS)
        name = req.path_params["name"]
        done = await clients.put(name, asked.properties.role, _check(name, conditions(req)))
        return _answer(routes, done, status=201 if isinstance(done, NewSecret) else 200)

    @routes.arm(
        bp,
        "PATCH",
        _ITEM,
        action=f"{PATH}/write",
        summary="Change a client's role by JSON merge patch",
        body=ClientBody,
        answer=ClientAnswer,
    )
    async def patch_client(req: Request) -> Response:
        name = req.path_params["name"]

        async def read() -> tuple[ClientBody, str]:
            found = await clients.get(name)
            return ClientBody(properties=ClientProperties(role=found.role)), found.etag

        async def replace(wanted: ClientBody, when: Conditions) -> RegisteredClient | NewSecret:
            return await clients.put(name, wanted.properties.role, _check(name, when))

        return _answer(routes, await merged(req, ClientBody, ARM_FIELDS, read, replace, as_it_is))

    @routes.arm(
        bp,
        "DELETE",
        _ITEM,
        action=f"{PATH}/delete",
        summary="Remove a client; its tokens end",
        statuses=(200, 204),
    )
    async def delete_client(req: Request) -> Response:
        name = req.path_params["name"]
        gone = await clients.remove(name, _check(name, conditions(req)))
        return Response(status_code=200 if gone else 204)


def _add_secrets(routes: Routes, bp: func.Blueprint, clients: Clients) -> None:
    @routes.arm(
        bp,
        "POST",
        f"{_ITEM}/regenerateSecret",
        action=f"{PATH}/regenerateSecret/action",
        summary="A new secret for a client, told this once; the one before and its tokens end",
        answer=ClientAnswer,
    )
    async def regenerate_client_secret(req: Request) -> Response:
        return _answer(routes, await clients.renew_secret(req.path_params["name"]))


def _add_reading(routes: Routes, bp: func.Blueprint, clients: Clients) -> None:
    @routes.arm(
        bp, "GET", _ITEM, action=f"{PATH}/read", summary="Read a client", answer=ClientAnswer
    )
    async def get_client(req: Request) -> Response:
        return _answer(routes, await clients.get(req.path_params["name"]))

    @routes.arm(
        bp,
        "GET",
        PATH,
        action=f"{PATH}/read",
        summary="List: clients",
        lists=True,
        answer=ClientAnswer,
    )
    async def list_clients(req: Request) -> Response:
        paging(req)
        return routes.page(req, [_rendered(routes, each) for each in await clients.list()], None)


def _check(name: str, when: Conditions) -> Check:
    def check(found: RegisteredClient | None) -> None:
        document = Document(PATH, name, {}, found.etag) if found is not None else None
        when.check(document, f"Client '{name[:64]}'")

    return check


def _answer(routes: Routes, done: RegisteredClient | NewSecret, *, status: int = 200) -> Response:
    client = done.client if isinstance(done, NewSecret) else done
    body = _rendered(routes, client)
    if isinstance(done, NewSecret):
        body["properties"]["clientSecret"] = done.secret
    return json_response(body, status=status, headers={"ETag": client.etag})


def _rendered(routes: Routes, client: RegisteredClient) -> dict[str, Any]:
    return {
        "id": routes.scope.path(PATH, client.name),
        "name": client.name,
        "type": f"{PROVIDER}/workspaces/{PATH}",
        "properties": {"clientId": client.id, "role": client.role},
        "systemData": {"createdAt": client.created_at.isoformat()},
    }
