"""Whoever may not is told so before anything else: not whether a thing is there, nor what is amiss
with what he sent. On every function that there is."""

from typing import Any

import httpx

from tests.attack.operations import ELSEWHERE, Operation, operations
from tests.handlers.conftest import ControlPlane
from tests.kit.real_app import indexed

OPERATIONS = list(operations(indexed()["openapi"]))
THERE = {"endpoint": "iris", "deployment": "blue", "name": "m", "version": "1"}


async def asked(
    client: httpx.AsyncClient, operation: Operation, path: str, body: bytes
) -> tuple[int, Any]:
    headers = {"content-type": "application/json"} if body else {}
    reply = await client.request(operation.method, path, content=body, headers=headers)
    return reply.status_code, reply.json()["error"]["code"]


async def refusals(plane: ControlPlane, role: str | None, *, there: bool = False) -> set[Any]:
    """Of each operation that is not for `role`: what is no JSON at what is not there, by no version
    of the API; and, where `there`, a body without fault at what is."""
    chosen = [each for each in OPERATIONS if role in each.refused]
    assert len(chosen) > 90
    http = plane.client(role).http
    parts = plane.routes.scope.id.split("/")
    known = {"subscription": parts[2], "resource_group": parts[4], "workspace": parts[8]}
    found = set()
    for each in chosen:
        bad = f"{each.at(known, 'nothing')}?api-version=none"
        good = f"{each.at({**known, **THERE}, 'some')}?api-version=2024-10-01"
        for path, body in ((bad, b'{"a": '), (good, b"{}"))[: 1 + there]:
            found.add((each.name, *await asked(http, each, path, body)))
    return found


async def test_nobody_is_asked_who_he_is_first(plane: ControlPlane) -> None:
    told = await refusals(plane, None)
    assert {each for each in told if each[1:] != (401, "AuthenticationFailed")} == set()


async def test_who_lacks_the_right_is_told_that_first(plane: ControlPlane) -> None:
    await plane.stage.iris("blue")
    told = await refusals(plane, "reader") | await refusals(plane, ELSEWHERE, there=True)
    assert {each for each in told if each[1:] != (403, "AuthorizationFailed")} == set()
