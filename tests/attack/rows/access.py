"""API1, API3 and API5: whose objects, which of their properties, and which functions."""

import re
from collections.abc import Iterator

from tests.attack.ground import Attempt, Ground, refused

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
    """API5: each operation there is, by nobody and by each role that may not."""
    for method, path, is_open in operations(ground):
        if is_open or "/eventSubscriptions/some/some" in path:
            continue  # A code opens that one, no role does.
        answer = ground.ask(method, path, body={})
        held = refused(answer, *_DENIED)
        yield Attempt(f"{method} {path} by nobody", held, str(answer.status_code))
        if path.startswith(
            ("/endpoints/", "/score", "/swagger", "/events/", "/jobs")
        ) or path.endswith("/token"):
            continue  # Data: the endpoint's own credentials decide.
        answer = ground.ask(method, path, as_="scorer", body={})
        yield Attempt(f"{method} {path} by a scorer", refused(answer, 403), str(answer.status_code))
        if method == "GET":
            continue
        answer = ground.ask(method, path, as_="reader", body={})
        yield Attempt(f"{method} {path} by a reader", refused(answer, 403), str(answer.status_code))


def operations(ground: Ground) -> Iterator[tuple[str, str, bool]]:
    """Method, path and whether it is open, of all that the host says of itself."""
    document = ground.http.get(ground.url("/openapi.json")).json()
    parts = ground.host.connection["workspace"].split("/")
    known = {"subscription": parts[2], "resource_group": parts[4], "workspace": parts[8]}
    for path, methods in document["paths"].items():
        filled = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "some"), path)
        for method, about in methods.items():
            if method in ("get", "put", "post", "patch", "delete"):
                yield method.upper(), filled, about.get("security") == []
