"""A node whose server is the user's own: the agent stands before it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runtime.node.spec import parse
from tests.kit.waiting import PATIENCE, until
from tests.runtime.node.harness import PROOF, SHOWN, NodeProcess, StartNode

SOON = {"period": 0.01, "failure_threshold": 1, "initial_delay": 0, "timeout": 3600}


class OwnServer(ThreadingHTTPServer):
    """As a user may write one: it echoes, waits at `/wait` until it is let go, and is as well as
    `health` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.let_go = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.health = 200
        self.port: int = self.server_address[1]

    def at(self, path: str) -> dict[str, Any]:
        return {"path": path, "port": self.port}

    def routes(self) -> dict[str, Any]:
        return {
            "scoring": self.at("/v1/models/half:predict"),
            "liveness": self.at("/health"),
            "readiness": self.at("/health"),
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OwnServer

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if self.path == "/health":
            self._say(self.server.health, b"")
        elif self.path == "/wait":
            self.server.waiting.release()
            self.server.let_go.wait(PATIENCE)
            self._say(200, b"at last")
        elif self.path == "/endless":
            # As HTTP/1.0 has it: the end of the connection is the end of the body.
            self.protocol_version = "HTTP/1.0"
            self.send_response(200)
            self.end_headers()
            for number in range(3):
                self.wfile.write(b"piece %d " % number)
                self.wfile.flush()
            self.close_connection = True
        elif self.path == "/half":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            told = {
                "method": self.command,
                "path": self.path,
                "body": body.decode(),
                "headers": {name.lower(): value for name, value in self.headers.items()},
            }
            self._say(200, json.dumps(told).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("inference-header-content-length", "7")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def own_server() -> Iterator[OwnServer]:
    with OwnServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.let_go.set()
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture(scope="module")
def node(server: OwnServer, start_shared_node: StartNode) -> NodeProcess:
    return start_shared_node(
        None, server=server.routes(), serve={"max_concurrent": 1, "max_queue": 1}
    ).ready()


@pytest.fixture
def other(start_node: StartNode) -> Iterator[Callable[..., tuple[OwnServer, NodeProcess]]]:
    with own_server() as server:

        def begin(**spec: Any) -> tuple[OwnServer, NodeProcess]:
            return server, start_node(None, server=server.routes(), **spec)

        yield begin


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("/score", "/v1/models/half:predict"),
        ("/score?n=1&m=%2F", "/v1/models/half:predict?n=1&m=%2F"),
        ("/score/v2/health", "/v1/models/half:predict/v2/health"),
        ("/path/v2/models/a%20b/infer?x=1", "/v2/models/a%20b/infer?x=1"),
        ("/path/node/state", "/node/state"),
        ("/path/livez", "/livez"),
        ("/path/", "/"),
        ("/swagger.json?version=3", "/swagger.json?version=3"),
    ],
)
def test_each_path_is_passed_on_as_what_it_means(
    node: NodeProcess, asked: str, passed: str
) -> None:
    reply = node.ask("POST", asked, "body")
    assert (reply.status, reply.json["path"], reply.json["body"]) == (200, passed, "body")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_every_method_and_header_is_passed_on_and_nothing_of_the_node_s_own(
    node: NodeProcess, method: str
) -> None:
    reply = node.ask(method, "/score", b"", {"x-own": "1", "ml-endpoints-node-reason": "x"})
    told = reply.json
    assert told["method"] == method
    assert told["headers"]["x-own"] == "1"
    assert not [name for name in told["headers"] if name.startswith("ml-endpoints-node-s")]
    assert reply.headers["inference-header-content-length"] == "7"
    assert reply.headers["ml-endpoints-node"] == PROOF


@pytest.mark.parametrize("target", ["/", "/load/x", "/v2/health/ready", "/scores"])
def test_other_paths_are_none_of_the_server_s(node: NodeProcess, target: str) -> None:
    reply = node.ask("GET", target)
    assert (reply.status, reply.headers["ml-endpoints-node-reason"]) == (404, "not-found")


def test_nobody_comes_to_the_server_without_the_secret(node: NodeProcess) -> None:
    assert node.ask("GET", "/path/health", shown=False).status == 401


def test_an_answer_that_ends_with_its_connection_comes_whole(node: NodeProcess) -> None:
    with node.connect() as wire:
        wire.ask("GET", "/path/endless", b"", SHOWN)
        reply = wire.reply()
        assert (reply.status, reply.body) == (200, b"piece 0 piece 1 piece 2 ")
        wire.ask("GET", "/path/again", b"", SHOWN)
        assert wire.reply().json["path"] == "/again"


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(node: NodeProcess) -> None:
    with node.connect() as wire:
        wire.ask("GET", "/path/half", b"", SHOWN)
        with pytest.raises(ConnectionError):
            wire.reply()


def test_past_the_limit_one_waits_and_others_are_refused_with_figures(
    server: OwnServer, node: NodeProcess
) -> None:
    server.let_go.clear()
    with node.connect() as runs, node.connect() as waits:
        runs.ask("GET", "/path/wait", b"", SHOWN)
        assert server.waiting.acquire(timeout=PATIENCE)
        waits.ask("POST", "/score", b"second", SHOWN)
        until(lambda: node.ask("GET", "/load").json["queued"] == 1, "one waits")
        refused = node.ask("POST", "/score", b"third")
        assert refused.status == 429
        assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
        assert (refused.json["in_flight"], refused.json["max_concurrent"]) == (1, 1)
        server.let_go.set()
        assert runs.reply().body == b"at last"
        assert waits.reply().json["body"] == "second"
    load = node.ask("GET", "/load").json
    assert (load["in_flight"], load["queued"]) == (0, 0)


def test_a_caller_that_goes_gives_its_place_away(server: OwnServer, node: NodeProcess) -> None:
    server.let_go.clear()
    with node.connect() as runs:
        runs.ask("GET", "/path/wait", b"", SHOWN)
        assert server.waiting.acquire(timeout=PATIENCE)
        with node.connect() as waits:
            waits.ask("POST", "/score", b"second", SHOWN)
            until(lambda: node.ask("GET", "/load").json["queued"] == 1, "one waits")
        until(lambda: node.ask("GET", "/load").json["queued"] == 0, "nobody waits")
    until(lambda: node.ask("GET", "/load").json["in_flight"] == 0, "nothing is under way")
    server.let_go.set()
    assert node.ask("POST", "/score", b"x").status == 200


def test_one_that_waits_too_long_is_refused(other: Callable[..., Any]) -> None:
    server, node = other(serve={"queue_wait_ms": 0})
    node.ready()
    with node.connect() as runs:
        runs.ask("GET", "/path/wait", b"", SHOWN)
        assert server.waiting.acquire(timeout=PATIENCE)
        assert node.ask("POST", "/score").status == 429


def test_an_answer_that_does_not_come_in_time_is_given_up(other: Callable[..., Any]) -> None:
    _, node = other(serve={"timeout_ms": 1})
    reply = node.ready().ask("GET", "/path/wait")
    assert (reply.status, reply.json["message"]) == (500, "Scoring timeout after 1 ms")
    until(lambda: node.ask("GET", "/load").json["failed"] == 1, "it is counted")
    assert node.ask("GET", "/load").json["in_flight"] == 0


def test_a_port_where_nobody_listens_is_named(start_node: StartNode) -> None:
    with own_server() as gone:
        routes = gone.routes()
    node = start_node(None, server=routes)
    told = f"port {routes['scoring']['port']}: nobody listens there."
    until(lambda: any(told in text for text in node.texts()), "it says so")
    assert node.state()["phase"] == "starting"


def test_one_that_is_never_ready_fails_with_its_probe(start_node: StartNode) -> None:
    with own_server() as server:
        server.health = 503
        state = start_node(None, server=server.routes(), readiness=SOON).failed()
    assert state["code"] == "ResourceNotReady"
    assert "It was not ready after 0.01 s (readiness probe:" in state["reason"]


def test_one_that_is_ready_no_more_gets_nothing_and_says_why(other: Callable[..., Any]) -> None:
    server, node = other(readiness={**SOON, "initial_delay": 3600})
    node.ready()
    server.health = 503
    told = f"port {server.port}: GET /health: status 503."
    until(lambda: not node.is_ready(), "it is ready no more")
    assert [text for text in node.texts() if told in text]
    assert node.ask("POST", "/score").headers["ml-endpoints-node-reason"] == "starting"
    server.health = 200
    node.ready()


def test_one_that_was_ready_and_answers_no_more_ends_the_node_with_the_reason(
    other: Callable[..., Any],
) -> None:
    server, node = other(liveness=SOON)
    node.ready()
    server.health = 500
    assert node.exit_code() == 3
    said = json.loads(node.log.strip().splitlines()[-1])
    assert said["code"] == "ResourceNotReady"
    assert f"port {server.port}: GET /health: status 500" in said["message"]


def test_what_is_under_way_ends_before_the_node_does(other: Callable[..., Any]) -> None:
    server, node = other()
    node.ready()
    with node.connect() as runs, node.connect() as late:
        runs.ask("GET", "/path/wait", b"", SHOWN)
        assert server.waiting.acquire(timeout=PATIENCE)
        node.terminate()
        until(lambda: "Nothing new is taken" in node.log, "it is drained")
        late.ask("POST", "/score", b"", SHOWN)
        assert late.reply().headers["ml-endpoints-node-reason"] == "draining"
        server.let_go.set()
        assert runs.reply().body == b"at last"
    assert node.exit_code() == 0


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ({}, "server.scoring is missing."),
        (
            {"scoring": {"path": "score", "port": 80}},
            "server.scoring.path is 'score', which is no path of a URL.",
        ),
        ({"scoring": {"path": "/ x", "port": 80}}, "server.scoring.path is '/ x'"),
        ({"scoring": {"path": "/x", "port": 70000}}, "server.scoring.port is more than 65535."),
    ],
)
def test_routes_that_are_none_are_refused(server: dict[str, Any], fault: str) -> None:
    _, faults = parse({"contract": 1, "mode": "serve", "server": server})
    assert [each for each in faults if each.startswith(fault)]
