"""API4, API6 and API10: what is without end, what is done twice, and what a model answers."""

import json
import zlib
from collections.abc import Iterator

import httpx

from outside import serving
from tests.attack.ground import Attempt, Ground, refused

_ANSWERS = """
import json


def init():
    pass


class Answer:
    def __init__(self, status_code, headers):
        self.status_code = status_code
        self.headers = headers
        self.body = b"body"


def run(data):
    asked = json.loads(data)
    return Answer(asked.get("status", 200), asked.get("headers", {}))
"""


def consumption(ground: Ground) -> Iterator[Attempt]:
    """API4: bodies that are deep, wide, long or packed; pages, names and numbers without end."""
    deep = "[" * 100_000 + "]" * 100_000
    wide = json.dumps({"properties": {f"a{number}": 1 for number in range(100_000)}})
    number = '{"properties": {"authMode": ' + "9" * 100_000 + "}}"
    for what, body in (
        ("a body 100,000 deep", deep),
        ("a body of 100,000 fields", wide),
        ("a number of 100,000 digits", number),
        ("a body of 20 MB", '{"tags": {"a": "' + "x" * 20_000_000 + '"}}'),
        ("a float without end", '{"properties": {"traffic": {"blue": 1e999}}}'),
    ):
        answer = _put(ground, body.encode())
        yield Attempt(what, refused(answer, 400, 413), str(answer.status_code))
    packed = zlib.compress(b"[" * 50_000_000)
    answer = _put(ground, packed, {"content-encoding": "deflate"})
    yield Attempt("a packed body", refused(answer, 400, 413, 415), str(answer.status_code))
    for query in (
        "$top=1000000000",
        "$skip=-1",
        "$skipToken=%00",
        "$top=1e3",
        "$skipToken=" + "a" * 9000,
    ):
        answer = ground.ask("GET", f"onlineEndpoints?api-version=2024-10-01&{query}", as_="owner")
        held = answer.status_code in (200, 400, 414, 431)
        yield Attempt(f"GET with {query[:24]}", held, str(answer.status_code))
    answer = ground.ask("PUT", "onlineEndpoints/" + "a" * 60_000, as_="owner", body={})
    held = answer.status_code in (400, 404, 414, 431)
    yield Attempt("a name of 60,000 characters", held, str(answer.status_code))
    templates = {"subject": " " * 2000, "filter": "{{" * 500}
    mapping = {"properties": {"source": "x", "template": templates}}
    answer = ground.ask("PUT", "eventMappings/evil", as_="owner", body=mapping)
    yield Attempt("a template of spaces", refused(answer, 400), str(answer.status_code))


def flows(ground: Ground) -> Iterator[Attempt]:
    """API6: what is to happen once, asked for again and by others."""
    answer = ground.ask(
        "POST", "onlineEndpoints/mine/regenerateKeys", as_="reader", body={"keyType": "Primary"}
    )
    yield Attempt("a key is replaced by a reader", refused(answer, 403), str(answer.status_code))
    before = ground.ask("GET", "onlineEndpoints/mine", as_="owner")
    answer = ground.ask(
        "PATCH",
        "onlineEndpoints/mine",
        as_="owner",
        body={"tags": {"x": "y"}},
        headers={"if-match": '"an older one"'},
    )
    yield Attempt("a change of what has changed", refused(answer, 412), str(answer.status_code))
    yield Attempt("it is as it was", _etag(ground) == before.headers.get("etag"), "")


def answers(ground: Ground) -> Iterator[Attempt]:
    """API10: a model whose answers attack whoever passes them on."""
    code = serving.codes(ground.host, "answers", {"score.py": _ANSWERS})
    serving.endpoint(ground.host, "answers")
    serving.deploy(ground.host, "answers/blue", code)
    serving.traffic(ground.host, "answers", blue=100)
    with serving.caller(ground.host, "answers") as caller:
        for headers in (
            {"x-evil": "a\r\nset-cookie: b=c"},
            {"set-cookie\r\nx": "y"},
            {"content-length": "9999"},
            {"transfer-encoding": "chunked"},
            {"connection": "x-other", "x-other": "1"},
            {"strict-transport-security": "max-age=0"},
        ):
            answer = caller.post("", json={"headers": headers})
            passed = answer.status_code == 200 and answer.text == "body"
            held = passed or answer.status_code in (424, 502)
            held = held and "set-cookie" not in answer.headers
            yield Attempt(f"an answer with {sorted(headers)}", held, str(answer.status_code))
            after = caller.post("", json={})
            yield Attempt("and the next one is answered", after.text == "body", after.text[:40])
        for status in (100, 101, 199, 600, -1, "200 OK\r\nx: y"):
            answer = caller.post("", json={"status": status})
            yield Attempt(f"status {status!r}", answer.status_code >= 400, str(answer.status_code))


def _put(ground: Ground, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    return ground.http.put(
        ground.url("onlineEndpoints/evil?api-version=2024-10-01"),
        content=body,
        headers={
            "authorization": f"Bearer {ground.token('owner')}",
            "content-type": "application/json",
            **(headers or {}),
        },
    )


def _etag(ground: Ground) -> str | None:
    etag: str | None = ground.ask("GET", "onlineEndpoints/mine", as_="owner").headers.get("etag")
    return etag
