"""Azure ML's scoring-script contract: what `run` is given, and what its result becomes."""

import pytest

from tests.runtime.harness import Start

# What `inference_schema` and `azureml_inference_server_http.api` show of themselves to a
# server. The libraries themselves belong to users' environments, not to ours.
INFERENCE_SCHEMA = {
    "inference_schema/__init__.py": "",
    "inference_schema/schema_util.py": """
        schemas = {}

        def is_schema_decorated(run):
            return hasattr(run, "__wrapped__")

        def get_supported_versions(run):
            return ["3.0", "3.1"]

        def get_input_schema(run):
            return {"type": "object", "properties": {"data": {"type": "array"}}}

        def get_output_schema(run):
            return {"type": "integer"}
    """,
    "inference_schema/schema_decorators.py": """
        import functools
        from . import schema_util

        def input_schema(run):
            @functools.wraps(run)
            def decorated(*args, **kwargs):
                return run(*args, **kwargs)
            return decorated
    """,
}

DECORATED = """
    from inference_schema.schema_decorators import input_schema

    def init():
        pass

    @input_schema
    def run(data, scale=2):
        return sum(data) * scale
"""

ANSWERS = """
    import asyncio, sys, time

    class Response:
        def __init__(self, status_code=200, headers=None, body=b""):
            self.status_code = status_code
            self.headers = headers or {}
            self.body = body

    def init():
        pass

    def numbers():
        for number in range(3):
            yield {"n": number}

    def text():
        yield "data: 1\\n\\n"
        yield "data: 2\\n\\n"

    def broken():
        yield "one"
        raise ValueError("late")

    def never():
        raise ValueError("early")
        yield

    async def later():
        for number in (b"a", b"b"):
            await asyncio.sleep(0)
            yield number

    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def fail(error):
        raise error

    def run(data):
        return eval(data)
"""


def test_run_gets_the_body_as_text_and_its_result_is_json(start: Start) -> None:
    server = start("def init():\n    pass\n\ndef run(raw):\n    return [raw, {'é': 1.5}]\n").ready()
    reply = server.ask(body="höhe")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-ms-run-function-failed"] == "False"
    assert float(reply.headers["x-ms-run-fn-exec-ms"]) >= 0
    assert reply.json == ["höhe", {"é": 1.5}]


def test_a_get_gives_the_query_as_json_text(start: Start) -> None:
    server = start("def init():\n    pass\n\ndef run(raw):\n    return raw\n").ready()
    reply = server.ask("GET", "/score?a=1&b=[1,2]&c=x&c=y&d=null&e=")
    assert reply.json == '{"a": 1, "b": [1, 2], "c": ["x", "y"], "d": null, "e": ""}'


CONTRIB = """
    from azureml.contrib.services.aml_response import AMLResponse

    def init():
        pass

    def run(data):
        return AMLResponse(data)
"""


def test_azures_services_say_what_they_stand_on(start: Start) -> None:
    """They need no package of their own, but for Flask."""
    server = start(CONTRIB)
    assert server.exit_code() == 3
    assert "add azureml-inference-server-http, or flask, to its packages" in server.log


def test_what_is_installed_of_azures_packages_is_taken(start: Start) -> None:
    theirs = "def AMLResponse(data): return ['theirs', data]"
    files = {"azureml/contrib/services/aml_response.py": theirs}
    assert start(CONTRIB, files=files).ready().ask(body="x").json == ["theirs", "x"]


def test_azures_services_join_what_is_installed_beside_them(start: Start) -> None:
    script = """
        import azureml
        import azureml.contrib.services

        def init():
            pass

        def run(data):
            return [azureml.HERE, data]
    """
    server = start(script, files={"azureml/__init__.py": "HERE = 1"}).ready()
    assert server.ask(body="x").json == [1, "x"]


def test_text_that_is_not_utf_8_is_refused(start: Start) -> None:
    server = start("def init():\n    pass\n\ndef run(raw):\n    return raw\n").ready()
    reply = server.ask(body=b"\xff\xfe")
    assert reply.status == 400
    assert "UTF-8" in reply.json["message"]
    assert server.ask(body="fine").status == 200


def test_request_headers_are_given_to_a_script_that_asks(start: Start) -> None:
    server = start(
        """
        def init():
            pass

        def run(request_headers, raw):
            found = "content-type" in request_headers
            return [raw, request_headers["Content-Type"], request_headers["x-mine"],
                    request_headers.get("absent"), dict(request_headers)["X-Mine"], found]
        """
    ).ready()
    headers = {"content-type": "text/csv", "X-MINE": "v"}
    assert server.ask(body="b", headers=headers).json == ["b", "text/csv", "v", None, "v", True]


def test_ids_of_a_request_come_back(start: Start) -> None:
    server = start("def init():\n    pass\n\ndef run(raw):\n    return raw\n").ready()
    reply = server.ask(headers={"x-request-id": "r", "x-ms-client-request-id": "c", "TraceId": "t"})
    assert reply.headers["x-request-id"] == "r"
    assert reply.headers["x-ms-client-request-id"] == reply.headers["x-ms-request-id"] == "c"
    assert reply.headers["traceid"] == "t"
    reply = server.ask(headers={"x-ms-request-id": "old"})
    assert reply.headers["x-ms-client-request-id"] == reply.headers["x-ms-request-id"] == "old"
    reply = server.ask()
    assert len(reply.headers["x-request-id"]) == 36
    assert reply.headers["x-ms-request-id"] == reply.headers["x-request-id"]
    for name in ("x-request-id", "x-ms-request-id", "x-ms-client-request-id"):
        assert server.ask(headers={name: "x" * 101}).status == 431


def test_an_input_schema_turns_the_body_into_arguments(start: Start) -> None:
    server = start(DECORATED, files=INFERENCE_SCHEMA).ready()
    json = {"content-type": "application/json; charset=utf-8"}
    assert server.ask(body='{"data": [1, 2]}', headers=json).json == 6
    assert server.ask(body='{"data": [1], "scale": 5, "other": 0}', headers=json).json == 5
    assert server.ask("GET", "/score?data=[4]").json == 8
    assert server.ask(body='{"data": [1]}', headers={"content-type": "text/plain"}).status == 415
    for body in (b"", b"[1]", b"{", b"\xff", b"{}", b'"data"', b"[" * 100_000):
        assert server.ask(body=body, headers=json).status == 400, body[:20]


def test_an_input_schema_is_in_the_api_document(start: Start) -> None:
    server = start(DECORATED, files=INFERENCE_SCHEMA).ready()
    schemas = server.ask("GET", "/swagger.json?version=3").json["components"]["schemas"]
    assert schemas["ServiceInput"]["properties"] == {"data": {"type": "array"}}
    assert schemas["ServiceOutput"] == {"type": "integer"}
    refusal = server.ask("GET", "/swagger.json?version=2")
    assert refusal.status == 404
    assert "not supported for the scoring script" in refusal.json["message"]


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("None", b"{}"),
        ("'text'", b'"text"'),
        ("[1, 2.5, True, None]", b"[1, 2.5, true, null]"),
    ],
)
def test_plain_results(start: Start, expression: str, body: bytes) -> None:
    server = start(ANSWERS).ready()
    reply = server.ask(body=expression)
    assert (reply.status, reply.body) == (200, body)


def test_responses_of_the_scripts_own_pass_through(start: Start) -> None:
    server = start(ANSWERS).ready()
    reply = server.ask(body="Response(201, {'Content-Type': 'image/x', 'A': 'b'}, b'\\x00\\xff')")
    assert (reply.status, reply.body) == (201, b"\x00\xff")
    assert "x-ms-run-function-failed" not in reply.headers
    assert "x-ms-run-fn-exec-ms" in reply.headers
    reply = server.ask(body="Response(503, {'x-ms-run-function-failed': 'False'}, 'sorry')")
    assert (reply.status, reply.body) == (503, b"sorry")
    assert reply.headers["x-ms-run-function-failed"] == "True"
    reply = server.ask(body="Response(200, {'content-length': '9'}, text())")
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == b"data: 1\n\ndata: 2\n\n"
    assert server.ask(body="Response(204)").status == 204


@pytest.mark.parametrize(
    "expression",
    [
        "fail(ValueError('secret'))",
        "fail(KeyboardInterrupt())",
        "fail(Odd())",
        "sys.exit(1)",
        "never()",
        "{1: {2}}",
        "Response('200')",
        "Response(99)",
        "Response(200, {'a': 'b\\r\\nc: d'})",
        "Response(200, {'a': '\\u2603'})",
        "Response(200, {}, 3.5)",
    ],
)
def test_failures_are_500_and_the_server_goes_on(start: Start, expression: str) -> None:
    server = start(ANSWERS).ready()
    reply = server.ask(body=expression)
    assert reply.status == 500
    assert reply.headers["x-ms-run-function-failed"] == "True"
    assert "secret" not in reply.json["message"]
    assert server.ask(body="1").json == 1
    assert server.load()["failed"] == 1


def test_the_traceback_of_a_failure_is_in_the_log(start: Start) -> None:
    server = start(ANSWERS).ready()
    server.ask(body="fail(ValueError('secret'))")
    assert "ValueError: secret" in server.log
    assert "scoring.py" not in server.log


@pytest.mark.parametrize(
    ("expression", "kind", "body"),
    [
        ("numbers()", "application/x-ndjson", b'{"n": 0}\n{"n": 1}\n{"n": 2}\n'),
        ("text()", "text/plain; charset=utf-8", b"data: 1\n\ndata: 2\n\n"),
        ("later()", "application/octet-stream", b"ab"),
        ("(x for x in ())", "text/plain; charset=utf-8", b""),
    ],
)
def test_generators_are_streamed(start: Start, expression: str, kind: str, body: bytes) -> None:
    server = start(ANSWERS).ready()
    reply = server.ask(body=expression)
    assert reply.headers["transfer-encoding"] == "chunked"
    assert (reply.headers["content-type"], reply.body) == (kind, body)
    assert server.ask(body="1").json == 1


def test_items_leave_as_they_are_made_and_the_generator_is_closed(start: Start) -> None:
    server = start(
        """
        import threading
        go, closed = threading.Event(), threading.Event()

        def init():
            pass

        def items():
            try:
                yield "first"
                go.wait()
                while True:
                    yield "x" * 100_000
            finally:
                closed.set()

        def run(data):
            if data == "go":
                go.set()
            return items() if data == "items" else closed.wait()
        """,
        "serve",
        "--max-concurrent",
        "2",
    ).ready()
    with server.connect() as wire:
        wire.ask("POST", "/score", b"items")
        wire.head()
        assert wire.chunk() == b"first"
        waiting = server.connect()
        waiting.ask("POST", "/score", b"go")
        assert wire.chunk() == b"x" * 100_000
    assert waiting.reply().json is True


def test_a_stream_that_fails_half_way_is_cut_not_ended(start: Start) -> None:
    server = start(ANSWERS).ready()
    with server.connect() as wire:
        wire.ask("POST", "/score", b"broken()")
        assert wire.head()[0] == 200
        assert wire.chunk() == b"one"
        with pytest.raises(ConnectionError):
            wire.line()
    assert server.load()["failed"] == 1
