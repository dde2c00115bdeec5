"""API1, API3 and API5: whose objects, which of their properties, and which functions."""

import re
from collections.abc import Iterator

import httpx

from tests.attack.ground import Attempt, Ground, refused
from tests.attack.operations import Operation, operations

_DENIED = (401, 403, 404)


def objects(ground: Ground) -> Iterator[Attempt]:
    """API1: a client that is limited to one endpoint, and another's objects."""
    mine = "contributor/onlineEndpoints/mine"
    theirs = "onlineEndpoints/theirs"
    for method, path, body in (
        ("GET", theirs, None),
        ("PATCH", theirs, {"properties": {"traffic": {"blue": 0}}}),
        ("DELETE", theirs, None),
        ("POST", f"{theirs}/listKeys", None),
        ("POST", f"{theirs}/regenerateKeys", {"keyType": "Primary"}),
        ("POST", f"{theirs}/deployments/blue/getLogs", {"containerType": "InferenceServer"}),
        ("GET", "onlineEndpoints/mine/../theirs", None),
        ("GET", "onlineEndpoints/mine%2F..%2Ftheirs", None),
        ("GET", "onlineEndpoints/THEIRS", None),
        ("GET", "onlineEndpoints/theirs%00", None),
        ("GET", "models/whatever/versions/1", None),
        ("POST", "datastores/workspaceblobstore/listSecrets", None),
    ):
        answer = ground.ask(method, path, as_=mine, body=body)
        held = refused(answer, 400, *_DENIED)
        yield Attempt(f"{method} {path} by the client of mine", held, str(answer.status_code))
    key = ground.ask("POST", "onlineEndpoints/mine/listKeys", as_="owner").json()["primaryKey"]
    answer = ground.http.post(
        ground.url("/endpoints/theirs/score"), headers={"authorization": f"Bearer {key}"}, json={}
    )
    yield Attempt("the key of mine at theirs", answer.status_code == 401, str(answer.status_code))
    operation = ground.ask(
        "PATCH", "onlineEndpoints/theirs", as_="owner", body={"tags": {"a": "b"}}
    ).headers.get("azure-asyncoperation", "")
    if operation:
        path = operation.removeprefix(ground.host.url).split("?")[0]
        answer = ground.ask("GET", path, as_=mine)
        yield Attempt("another's operation", refused(answer, *_DENIED), str(answer.status_code))


def properties(ground: Ground) -> Iterator[Attempt]:
    """API3: properties that only the host sets, and secrets in what is read."""
    for body in (
        {"properties": {"authMode": "Key", "provisioningState": "Succeeded"}},
        {"properties": {"authMode": "Key", "scoringUri": "https://elsewhere"}},
        {"properties": {"authMode": "Key"}, "systemData": {"createdBy": "somebody"}},
        {"properties": {"authMode": "Key"}, "id": "/subscriptions/other"},
    ):
        ground.ask("PUT", "onlineEndpoints/assigned", as_="owner", body=body)
        shown = ground.ask("GET", "onlineEndpoints/assigned", as_="owner")
        told = shown.text
        held = "elsewhere" not in told and "somebody" not in told and "/other" not in told
        yield Attempt(f"PUT with {sorted(body)} of the caller's own", held, told[:80])
    answer = ground.ask("PATCH", "onlineEndpoints/mine", as_="owner", body={"__proto__": {}})
    yield Attempt("a field that isn't one", refused(answer, 400), str(answer.status_code))
    for path in ("onlineEndpoints", "onlineEndpoints/mine", "onlineEndpoints/mine/deployments"):
        told = ground.ask("GET", path, as_="reader").text
        secret = re.search(r'"(primaryKey|secondaryKey|client_secret)":\s*"[^"]', told)
        yield Attempt(f"secrets in GET {path}", secret is None, secret[0] if secret else "")


def functions(ground: Ground) -> Iterator[Attempt]:
    """API5: each operation there is, by nobody and by each role that may not: of what is not there,
    by what cannot be read, and of what is."""
    parts = ground.host.connection["workspace"].split("/")
    known = {"subscription": parts[2], "resource_group": parts[4], "workspace": parts[8]}
    there = {**known, "endpoint": "theirs", "deployment": "blue", "name": "echo", "version": "1"}
    for each in told(ground):
        paths = each.at(known, "nothing"), each.at(there, "nothing")
        for path, body in zip(paths, (["not an object"], {}), strict=True):
            for role in each.refused:
                answer = ground.ask(each.method, path, as_=role, body=body)
                held = refused(answer, 401 if role is None else 403)
                yield Attempt(f"{each.name} by {role or 'nobody'}", held, seen(answer, path))
            if each.is_data:
                answer = ground.ask(each.method, path, body=body)
                # An online endpoint's name is public.
                held = refused(answer, 401, *([404] if path == paths[0] else []))
                yield Attempt(f"{each.name} by nobody", held, seen(answer, path))


def seen(answer: httpx.Response, path: str) -> str:
    return f"{answer.status_code} at {path}"


def told(ground: Ground) -> list[Operation]:
    """All that the host says of itself."""
    return list(operations(ground.http.get(ground.url("/openapi.json")).json()))
