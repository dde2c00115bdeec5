"""What both inference servers are asked, script by script, and where their answers differ.

A case names the differences it shows by their id in docs/inference-server.md; a reply may
differ in nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.runtime.peers import Ask, Told

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MILLISECONDS = re.compile(r"\d+\.\d{3}")


@dataclass(frozen=True)
class Difference:
    """`patterns` are for what `differences` gives."""

    id: str
    patterns: tuple[str, ...]

    def covers(self, line: str) -> bool:
        return any(re.fullmatch(pattern, line, re.DOTALL) for pattern in self.patterns)


_NO_IDS = r"header x-(request-id|ms-request-id|ms-client-request-id): .* -> None"

EVERYWHERE = (
    Difference("server-headers", (r"header (server|date): .* -> None",)),
    Difference(
        "server-version", (r"header x-ms-server-version: (azmlinfsrv/.*|None) -> ml-endpoints/.*",)
    ),
)

DIFFERENCES = {
    difference.id: difference
    for difference in (
        *EVERYWHERE,
        Difference("keep-alive", (r"header connection: close -> None",)),
        Difference("allow", (r"header allow: None -> GET.*",)),
        Difference("form", (r"body: b'.*\"raw\": \"\"}' -> b'.*",)),
        Difference(
            "health",
            (
                r"status: 431 -> 200",
                r"header content-type: (text/html; charset=utf-8|application/json) -> text/plain.*",
                r"header x-ms-run-function-failed: False -> None",
                r"body: .* -> b'Healthy'",
                _NO_IDS,
            ),
        ),
        Difference(
            "options",
            (
                r"status: 200 -> 405",
                r"header (content-type: text/html.*|allow: .*OPTIONS.*) -> .*",
                r"header content-length: 0 -> 63",
                r"header x-ms-run-function-failed: None -> False",
                r"body: b'' -> .*not allowed.*",
                _NO_IDS,
            ),
        ),
        Difference(
            "load",
            (
                r"status: 404 -> 200",
                r"header x-ms-run-function-failed: False -> None",
                r"body: .* -> b'{\"in_flight\".*",
            ),
        ),
        Difference(
            "document", (r"body: b'{\"(swagger|openapi)\": .* -> b'{\"(swagger|openapi)\": .*",)
        ),
        Difference(
            "unsendable",
            (
                r"header x-ms-run-function-failed: False -> True",
                r"body: .*unexpected internal error.* -> .*cannot be written as JSON.*",
            ),
        ),
        Difference(
            "non-finite",
            (
                r"header x-ms-run-non-finite: None -> True",
                r"header content-length: 3 -> 4",
                r"body: b'NaN' -> b'null'",
            ),
        ),
        Difference(
            "exit",
            (
                r"header content-type: text/html -> application/json",
                r"header x-ms-run-function-failed: None -> True",
                r"header x-(ms-)?request-id: None -> <guid>",
                r"body: b'<html>.* -> .*unexpected error occurred in scoring script.*",
            ),
        ),
        Difference(
            "stream",
            (
                r"status: 500 -> 200",
                r"header content-type: application/json -> application/x-ndjson",
                r"header content-length: 83 -> None",
                r"header transfer-encoding: None -> chunked",
                r"header x-ms-run-fn-exec-ms: None -> <ms>",
                r"body: .* -> b'1\\n2\\n'",
            ),
        ),
        Difference(
            "bad-json",
            (
                r"status: 500 -> 400",
                r"body: .*unexpected internal error.* -> .*could not be decoded as JSON.*",
            ),
        ),
        Difference("repeated-header", (r"body: .*\"a,b\".* -> .*\"a, b\".*",)),
        Difference("header-spelling", (r"body: .*\"x-own\": null.* -> .*\"x-own\": \"h\".*",)),
        Difference(
            "async",
            (
                r"status: 500 -> 200",
                r"header x-ms-run-fn-exec-ms: None -> <ms>",
                r"body: .*unexpected internal error.* -> .*x.*",
                r"body: b'false' -> b'true'",
            ),
        ),
        Difference("cors", (r"header (access-control-allow-(origin|methods)|vary): .* -> None",)),
    )
}


def differences(theirs: Told, ours: Told) -> list[str]:
    """One line for each aspect in which two replies differ; ids that are made anew and
    times that are measured are compared by their form."""
    lines = []
    if theirs.status != ours.status:
        lines.append(f"status: {theirs.status} -> {ours.status}")
    names = dict.fromkeys(name for name, _ in (*theirs.headers, *ours.headers))
    for name in names:
        one, other = (_form(name, told.header(name)) for told in (theirs, ours))
        if name == "content-length" and theirs.body != ours.body and one and other:
            continue  # it follows from the body
        if one != other:
            lines.append(f"header {name}: {one} -> {other}")
    if theirs.body != ours.body:
        lines.append(f"body: {theirs.body[:500]!r} -> {ours.body[:500]!r}")
    return lines


def _form(name: str, value: str | None) -> str | None:
    if value is not None and name in ("x-request-id", "x-ms-request-id"):
        return _GUID.sub("<guid>", value)
    if value is not None and name == "x-ms-run-fn-exec-ms":
        return _MILLISECONDS.sub("<ms>", value)
    return value


@dataclass(frozen=True)
class Case:
    name: str
    ask: Ask
    differs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Compared:
    """A script with its cases. `files` are put beside it."""

    source: str
    cases: Sequence[Case] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = 3_600_000


def case(
    name: str,
    method: str = "POST",
    target: str = "/score",
    body: bytes | str = b"",
    headers: Mapping[str, str] | None = None,
    raw: bytes = b"",
    differs: Sequence[str] = (),
) -> Case:
    data = body.encode() if isinstance(body, str) else body
    return Case(name, Ask(method, target, data, headers or {}, raw), frozenset(differs))


def _json(name: str, body: bytes | str, *differs: str, kind: str = "application/json") -> Case:
    return case(name, body=body, headers={"Content-Type": kind}, differs=differs)


_IDS = {"x-request-id": "one", "x-ms-client-request-id": "two", "x-ms-request-id": "three"}
_LONG = "a" * 101

ECHO = Compared(
    """
    def init():
        global calls
        calls = 0

    def run(raw):
        return {"type": type(raw).__name__, "raw": raw}
    """,
    (
        case("text", body="plain"),
        case("no body"),
        case("characters beyond ASCII", body="höhe \u2603 \U0001f600"),
        case("UTF-8 with a byte order mark", body=b"\xef\xbb\xbf{}"),
        case("bad UTF-8", body=b"abc\xff\xfe"),
        case("UTF-8 cut short", body=b"caf\xc3"),
        case("NUL bytes", body=b"a\x00b"),
        case("a big body", body=b"0123456789abcdef" * (1 << 19)),
        _json("JSON stays text", '{"a": 1}'),
        _json("a form", "a=1&b=2", "form", kind="application/x-www-form-urlencoded"),
        _json(
            "a form of parts", "--x\r\n\r\n--x--", "form", kind="multipart/form-data; boundary=x"
        ),
        _json("an odd content type", "x", kind="image/png"),
        case(
            "a chunked body",
            raw=b"POST /score HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        ),
        case("HTTP/1.0", raw=b"POST /score HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"),
        case("keep-alive", headers={"Connection": "keep-alive"}, body="x", differs=["keep-alive"]),
        case("GET without a query", "GET"),
        case("GET with values", "GET", "/score?a=1&b=[1,2]&c=x&d=null&e=&f=true&g=1.50"),
        case("GET with a value repeated", "GET", "/score?c=x&a=1&c=2&c=[]"),
        case("GET with escapes", "GET", "/score?a=%7B%22x%22%3A%201%7D&b=one+two%20three&h=%C3%B6"),
        case("GET with bad UTF-8", "GET", "/score?a=%FF"),
        case("GET with a name alone", "GET", "/score?a&b&=c&;d=1"),
        case("GET with numbers beyond JSON", "GET", "/score?a=NaN&b=Infinity&c=1e999"),
        case("GET with a body", "GET", body=b"ignored"),
        case("POST with a query", target="/score?a=1", body="x"),
        case("OPTIONS", "OPTIONS"),
        case(
            "a browser's preflight",
            "OPTIONS",
            headers={"Origin": "http://a.b", "Access-Control-Request-Method": "POST"},
        ),
        case("PUT", "PUT", body="x", differs=["allow"]),
        case("DELETE", "DELETE", differs=["allow"]),
        case("PATCH", "PATCH", body="x", differs=["allow"]),
        case("HEAD", "HEAD", differs=["allow"]),
        case("an unknown method", "BREW", differs=["allow"]),
        case("health", "GET", "/", differs=["health"]),
        case("health by HEAD", "HEAD", "/", differs=["health"]),
        case("health by POST", "POST", "/", body="x", differs=["allow"]),
        case("health by OPTIONS", "OPTIONS", "/", differs=["options"]),
        case("no such path", "GET", "/nowhere"),
        case("no such path by POST", "POST", "/nowhere", body="x"),
        case("a slash too many", target="/score/", body="x"),
        case("another case", target="/Score", body="x"),
        case("the load", "GET", "/load", differs=["load"]),
        case("ids", body="x", headers=_IDS),
        case("ids of a refusal", body=b"\xff", headers=_IDS),
        case("ids of a path that is not there", "GET", "/nowhere", headers=_IDS),
        case("ids of health", "GET", "/", headers=_IDS, differs=["health"]),
        case("an id alone", body="x", headers={"x-request-id": "one"}),
        case("a client's id alone", body="x", headers={"x-ms-client-request-id": "two"}),
        case("a legacy id alone", body="x", headers={"x-ms-request-id": "three"}),
        case("an id too long", body="x", headers={"x-request-id": _LONG}),
        case("a client's id too long", body="x", headers={"x-ms-client-request-id": _LONG}),
        case("a legacy id too long", body="x", headers={"x-ms-request-id": _LONG}),
        case(
            "an id of health too long",
            "GET",
            "/",
            headers={"x-request-id": _LONG},
            differs=["health"],
        ),
        case("a trace id", body="x", headers={"TraceId": "abc"}),
        case("swagger", "GET", "/swagger.json", differs=["document"]),
        case("swagger 2", "GET", "/swagger.json?version=2", differs=["document"]),
        case("swagger 3", "GET", "/swagger.json?version=3", differs=["document"]),
        case("swagger 3.1", "GET", "/swagger.json?version=3.1", differs=["document"]),
        case("swagger of no version", "GET", "/swagger.json?version="),
        case("swagger 4", "GET", "/swagger.json?version=4"),
        case("swagger by POST", "POST", "/swagger.json", body="x", differs=["allow"]),
    ),
)

_RESULTS = (
    "None",
    "1",
    "1.5",
    "'text'",
    "'h\u00f6he'",
    "''",
    "[1, [2.0, None]]",
    "(1, 2)",
    "{'b': 1, 'a': {2: True}}",
    "float('nan')",
    "{1, 2}",
    "b'bytes'",
    "numpy.arange(3)",
    "numpy.float32(1.5)",
    "numpy.float64(1.5)",
    "numpy.arange(3).tolist()",
    "pandas.DataFrame({'a': [1]})",
    "pandas.DataFrame({'a': [1]}).to_dict(orient='records')",
    "object()",
    "cycle()",
    "fail(ValueError('secret'))",
    "fail(KeyError('secret'))",
    "fail(Odd())",
    "fail(SystemExit(7))",
    "fail(MemoryError())",
    "fail(RecursionError())",
    "deep()",
    "abort(404)",
    "AMLResponse('text', 200)",
    "AMLResponse(b'bytes', 200)",
    "AMLResponse({'a': [1]}, 201, json_str=True)",
    "AMLResponse(None, 200)",
    "AMLResponse('', 204)",
    "AMLResponse('mine', 400)",
    "AMLResponse('mine', 429)",
    "AMLResponse('mine', 500)",
    "AMLResponse('mine', 503, {'Retry-After': '7'})",
    "AMLResponse('mine', 418, run_function_failed=True)",
    "AMLResponse('x', 200, {'Content-Type': 'image/png', 'X-Own': 'a, b'})",
    "AMLResponse('x', 200, {'x-request-id': 'own'})",
    "AMLResponse('x' * 3000000, 200)",
    "flask.Response('plain', 200)",
    "flask.Response('plain', 502)",
    "flask.Response('{}', 200, mimetype='application/json')",
    "flask.Response((p for p in ('a', 'b', '')), 200)",
    "flask.jsonify(a=1)",
    "flask.redirect('/elsewhere')",
    "(n for n in [1, 2])",
    "print('to the log')",
    "flask.request.headers['x-own']",
)

_RESULTS_DIFFER = {
    **dict.fromkeys(
        (
            "{1, 2}",
            "b'bytes'",
            "numpy.arange(3)",
            "numpy.float32(1.5)",
            "pandas.DataFrame({'a': [1]})",
            "object()",
            "cycle()",
        ),
        ("unsendable",),
    ),
    "float('nan')": ("non-finite",),
    "fail(SystemExit(7))": ("exit",),
    "(n for n in [1, 2])": ("stream",),
}

RESULTS = Compared(
    """
    import flask, numpy, pandas
    from azureml_inference_server_http.api.aml_response import AMLResponse
    from flask import abort

    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def fail(error):
        raise error

    def cycle():
        found = []
        found.append(found)
        return found

    def deep():
        return deep()

    def init():
        pass

    def run(raw):
        return eval(raw)
    """,
    tuple(
        case(text, body=text, headers={"x-own": "own"}, differs=_RESULTS_DIFFER.get(text, ()))
        for text in _RESULTS
    ),
)

SCHEMA = Compared(
    """
    import numpy
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
    from inference_schema.parameter_types.standard_py_parameter_type import (
        StandardPythonParameterType,
    )
    from inference_schema.schema_decorators import input_schema, output_schema

    def init():
        pass

    @input_schema("data", NumpyParameterType(numpy.array([[1.0, 2.0]])))
    @input_schema("scale", StandardPythonParameterType(1.5))
    @output_schema(StandardPythonParameterType([1.5]))
    def run(data, scale=2.0):
        return (data.sum(axis=1) * scale).tolist()
    """,
    (
        _json("values", '{"data": [[1, 2], [3, 4]], "scale": 0.5}'),
        _json("a default", '{"data": [[1, 2]]}'),
        _json("a value too many", '{"data": [[1, 2]], "scale": 1.0, "other": 1}'),
        _json("a value too few", '{"scale": 1.0}'),
        _json("a value of a wrong type", '{"data": "text", "scale": 1.0}'),
        _json("a value of a wrong shape", '{"data": [[1, 2, 3]], "scale": 1.0}'),
        _json("a list", "[[1, 2]]"),
        _json("a number", "1"),
        _json("null", "null"),
        _json("not JSON", "{data"),
        _json("half a document", '{"data": [[1, 2]]'),
        _json("no body", ""),
        _json("bad UTF-8", b'{"data": "\xff"}', "bad-json"),
        _json("UTF-16", '{"data": [[1, 2]], "scale": 1.0}'.encode("utf-16")),
        _json("a byte order mark", b'\xef\xbb\xbf{"data": [[1, 2]], "scale": 1.0}'),
        _json("JSON too deep", "[" * 100_000, "bad-json"),
        _json("a name twice", '{"data": [[1, 2]], "scale": 1.0, "scale": 2.0}'),
        _json("a character set", '{"data": [[1, 2]]}', kind="application/json; charset=utf-8"),
        _json("JSON of a kind", '{"data": [[1, 2]]}', kind="application/vnd.x+json"),
        _json("JSON in another case", '{"data": [[1, 2]]}', kind="Application/JSON"),
        _json("text", '{"data": [[1, 2]]}', kind="text/plain"),
        case("no content type", body='{"data": [[1, 2]]}'),
        case("GET", "GET", "/score?data=[[1,2]]&scale=2.5"),
        case("GET without a value", "GET", "/score?scale=2.5"),
        case("GET with the default", "GET", "/score?data=[[1,2]]"),
        case("OPTIONS", "OPTIONS"),
        case("PUT", "PUT", body="x", differs=["allow"]),
        case("swagger", "GET", "/swagger.json", differs=["document"]),
        case("swagger 3", "GET", "/swagger.json?version=3", differs=["document"]),
        case("swagger 3.1", "GET", "/swagger.json?version=3.1", differs=["document"]),
    ),
)

RAW = Compared(
    """
    from azureml.contrib.services.aml_request import AMLRequest, rawhttp
    from azureml.contrib.services.aml_response import AMLResponse

    def init():
        pass

    @rawhttp
    def run(request):
        if request.args.get("as") == "is":
            return AMLResponse(request.get_data(), 200, {"Content-Type": "image/jpeg"})
        if request.args.get("as") == "error":
            raise ValueError("secret")
        if request.args.get("as") == "refusal":
            return AMLResponse("bad request", 400)
        if request.args.get("as") == "json":
            return AMLResponse({"a": [1]}, 201, {"X-Mine": "a, b"}, json_str=True)
        if request.args.get("as") == "nothing":
            return AMLResponse(None, 200)
        return {
            "method": request.method,
            "path": request.path,
            "full_path": request.full_path,
            "args": request.args.to_dict(flat=False),
            "form": request.form.to_dict(flat=False),
            "files": {name: file.read().decode() for name, file in request.files.items()},
            "data": request.get_data(as_text=True),
            "json": request.get_json(silent=True),
            "type": request.content_type,
            "length": request.content_length,
            "own": request.headers.get("X-Own"),
            "agent": request.headers.get("User-Agent"),
            "cookies": dict(request.cookies),
            "host": request.host,
            "secure": request.is_secure,
            "is_json": request.is_json,
        }
    """,
    (
        case("POST", body="text", headers={"X-Own": "a", "User-Agent": "me", "Cookie": "a=1; b=2"}),
        case("GET", "GET", "/score?a=1&a=2&b=%C3%B6"),
        case("OPTIONS", "OPTIONS"),
        case("PUT", "PUT", body="x", differs=["allow"]),
        case("bytes as they are", target="/score?as=is", body=bytes(range(256))),
        case("a big body as it is", target="/score?as=is", body=bytes(range(256)) * (1 << 14)),
        case("an exception", target="/score?as=error", body="x"),
        case("a refusal of the script's", target="/score?as=refusal", body="x"),
        case("JSON of the script's", target="/score?as=json", body="x"),
        case("nothing of the script's", target="/score?as=nothing", body="x"),
        _json("JSON", '{"a": [1]}'),
        _json("a form", "a=1&b=2&a=3", kind="application/x-www-form-urlencoded"),
        _json(
            "a file",
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n'
            b"content\r\n--x--\r\n",
            kind="multipart/form-data; boundary=x",
        ),
        case("an id too long", headers={"x-request-id": _LONG}),
        case(
            "a header twice",
            raw=(
                b"POST /score HTTP/1.1\r\nHost: h:81\r\nConnection: close\r\nX-Own: a\r\n"
                b"X-Own: b\r\nContent-Length: 1\r\n\r\nx"
            ),
            differs=["repeated-header"],
        ),
    ),
)

HEADERS = Compared(
    """
    def init():
        pass

    def run(data, request_headers):
        names = ("X-Own", "x-own", "Content-Type", "content-length", "User-Agent", "None-Such")
        return {
            "kind": str(hasattr(request_headers, "items")),
            "found": {name: request_headers.get(name) for name in names},
            "names": sorted(dict(request_headers)),
        }
    """,
    (
        case(
            "own headers",
            body="x",
            headers={"X-Own": "h", "Content-Type": "text/plain"},
            differs=["header-spelling"],
        ),
        case(
            "a lower-case name",
            body="x",
            headers={"x-own": "h", "user-agent": "me"},
            differs=["header-spelling"],
        ),
        case("GET", "GET"),
    ),
)

ASYNC = Compared(
    """
    import asyncio

    ready = False

    async def init():
        global ready
        ready = True

    async def later(raw):
        await asyncio.sleep(0)
        return raw

    def run(raw):
        return later(raw) if raw else ready
    """,
    (
        case("an async init", differs=["async"]),
        case("an async run", body="x", differs=["async"]),
    ),
)

SLOW = Compared(
    """
    import time

    def init():
        pass

    def run(raw):
        time.sleep(float(raw))
        return "done"
    """,
    (case("in time", body="0.05"),),
    timeout_ms=3_600_000,
)

LATE = Compared(
    """
    import time

    def init():
        pass

    def run(raw):
        while True:
            time.sleep(600)
    """,
    (case("late", body="x"),),
    timeout_ms=400,
)

CONFIGURED = Compared(
    """
    def init():
        pass

    def run(raw):
        return raw
    """,
    (
        case(
            "an origin that is allowed",
            body="x",
            headers={"Origin": "http://a.b"},
            differs=["cors"],
        ),
        case("an origin that is not", body="x", headers={"Origin": "http://c.d"}),
        case(
            "a preflight",
            "OPTIONS",
            headers={"Origin": "http://a.b", "Access-Control-Request-Method": "POST"},
            differs=["cors"],
        ),
        case("a document of the user's", "GET", "/swagger.json", differs=["cors"]),
        case("a third version of the user's", "GET", "/swagger.json?version=3.0", differs=["cors"]),
    ),
    files={
        "swagger.json": '{"swagger": "2.0", "mine": true}',
        "swagger3.json": '{"openapi": "3.0.3", "mine": [1]}',
    },
    variables={"AML_CORS_ORIGINS": "http://a.b, http://e.f"},
)

SCRIPTS = {
    "echo": ECHO,
    "results": RESULTS,
    "schema": SCHEMA,
    "raw": RAW,
    "headers": HEADERS,
    "async": ASYNC,
    "slow": SLOW,
    "late": LATE,
    "configured": CONFIGURED,
}

_ENDED = {
    "an import that raises": "import no_such_module",
    "an import that exits": "import sys\nsys.exit(0)",
    "no run": "def init():\n    pass",
    "an init that raises": "def run(raw): ...\ndef init():\n    raise ValueError('x')",
    "a run without a parameter": "def init(): ...\ndef run():\n    return 1",
}

ENDED = {name: Compared(source) for name, source in _ENDED.items()}
