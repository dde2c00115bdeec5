"""The door of a node: who comes in, whose answer it is, and what a script sees of it; with one
process, which answers TCP itself, and with several behind the agent."""

import json

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import Reply
from tests.runtime.node.harness import PROOF, SECRET, SHOWN, NodeProcess, StartNode

ECHO = """
    import os, time

    class Answer:
        status_code = 200
        body = b"as it likes"
        headers = {"ML-Endpoints-Node": "forged", "ml-endpoints-node-reason": "draining", "x-own": "1"}

    def init():
        print("the model is", os.environ.get("AZUREML_MODEL_DIR", "none"))

    def run(data, request_headers):
        if data == "headers":
            return dict(request_headers)
        if data == "environment":
            return dict(os.environ)
        if data == "forge":
            return Answer()
        if data == "stream":
            return (f"piece {n} " for n in range(3))
        if data == "wait":
            while not os.path.exists("go"):
                time.sleep(0.005)
        if data == "die":
            os._exit(9)
        if data == "who":
            return os.getpid()
        return data if len(data) < 1000 else len(data)
"""  # noqa: E501


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def node(request: pytest.FixtureRequest, start_shared_node: StartNode) -> NodeProcess:
    serve = {"workers": request.param, "max_concurrent": 4}
    return start_shared_node(ECHO, serve=serve, revision="r-1").ready()


def test_a_request_with_the_secret_is_scored_and_the_answer_proves_whose_it_is(
    node: NodeProcess,
) -> None:
    with node.connect() as wire:
        for text in ("one", "two"):
            wire.ask("POST", "/score", text.encode(), SHOWN)
            reply = wire.reply()
            assert (reply.status, reply.json) == (200, text)
            assert reply.headers["ml-endpoints-node"] == PROOF
            assert "ml-endpoints-node-reason" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ml-endpoints-node-secret": ""},
        {"ml-endpoints-node-secret": SECRET[:-1]},
        {"ml-endpoints-node-secret": f"{SECRET}, {SECRET}"},
        {"ml-endpoints-node": PROOF},
    ],
)
@pytest.mark.parametrize("target", ["/score", "/load", "/node/state", "/nothing"])
def test_nobody_comes_in_without_the_secret(
    node: NodeProcess, target: str, headers: dict[str, str]
) -> None:
    reply = node.ask("GET", target, headers=headers, shown=False)
    assert reply.status == 401
    assert reply.headers["ml-endpoints-node-reason"] == "unauthorized"
    assert "ml-endpoints-node" not in reply.headers


def test_a_body_is_not_waited_for_without_the_secret(node: NodeProcess) -> None:
    with node.connect() as wire:
        wire.send(b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
        assert wire.reply().status == 401


def test_a_script_sees_nothing_of_the_secret(node: NodeProcess) -> None:
    more = {"ml-endpoints-node": "forged", "ML-Endpoints-Node-Reason": "draining", "x-user": "u"}
    seen = node.ask(body="headers", headers=more).json
    assert {name.lower() for name in seen} >= {"x-user", "host"}
    assert not [name for name in seen if name.lower().startswith("ml-endpoints-node")]
    environment = node.ask(body="environment").json
    assert SECRET not in json.dumps(environment)
    assert not [name for name in environment if name.startswith("ML_ENDPOINTS_NODE_")]


def test_a_script_cannot_speak_as_the_agent(node: NodeProcess) -> None:
    reply = node.ask(body="forge")
    assert (reply.status, reply.body, reply.headers["x-own"]) == (200, b"as it likes", "1")
    assert reply.headers["ml-endpoints-node"] == PROOF
    assert "ml-endpoints-node-reason" not in reply.headers


def test_probes_need_no_secret_and_prove_nothing(node: NodeProcess) -> None:
    for target in ("/livez", "/readyz"):
        reply = node.ask("GET", target, shown=False)
        assert reply.status == 200
        assert "ml-endpoints-node" not in reply.headers


def test_bodies_stream_both_ways(node: NodeProcess) -> None:
    with node.connect() as wire:
        head = f"ml-endpoints-node-secret: {SECRET}\r\ntransfer-encoding: chunked\r\n\r\n"
        wire.send(f"POST /score HTTP/1.1\r\nhost: x\r\n{head}".encode())
        for _ in range(40):
            wire.send(b"%x\r\n%b\r\n" % (50_000, b"x" * 50_000))
        wire.send(b"0\r\n\r\n")
        assert wire.reply().json == 2_000_000
        wire.ask("POST", "/score", b"stream", SHOWN)
        status, headers = wire.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        pieces = b""
        while piece := wire.chunk():
            pieces += piece
        assert pieces == b"piece 0 piece 1 piece 2 "
        wire.ask("POST", "/score", b"y" * 3_000_000, SHOWN)
        assert wire.reply().json == 3_000_000


def test_pipelined_requests_are_answered_in_order(node: NodeProcess) -> None:
    with node.connect() as wire:
        for text in ("a", "b", "c"):
            wire.ask("POST", "/score", text.encode(), SHOWN)
        assert [wire.reply().json for _ in range(3)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /score\r\n\r\n",
        b"POST /score HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /score HTTP/1.1\r\nml-endpoints-node-secret : x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(node: NodeProcess, raw: bytes) -> None:
    with node.connect() as wire:
        wire.send(raw)
        assert wire.reply().status == 400
        assert wire.at_end()


def test_what_the_inference_server_says_comes_through(node: NodeProcess) -> None:
    assert node.ask("GET", "/").body == b"Healthy"
    assert node.ask("GET", "/swagger.json").json["info"]["title"] == "blue"
    assert node.ask("PUT", "/score").status == 405
    assert node.ask("GET", "/nothing").status == 404
    head = node.ask("OPTIONS", "/score")
    assert (head.status, head.headers["ml-endpoints-node"]) == (200, PROOF)


def test_load_is_added_up(node: NodeProcess) -> None:
    before = node.ask("GET", "/load").json
    assert (before["max_concurrent"], before["max_queue"]) == (4, 4)
    with node.connect() as first, node.connect() as second:
        for wire in (first, second):
            wire.ask("POST", "/score", b"wait", SHOWN)
        until(lambda: node.ask("GET", "/load").json["in_flight"] == 2, "both run")
        assert node.ask("GET", "/load").json["idle_seconds"] == 0
        (node.folder / "go").touch()
        assert [wire.reply().json for wire in (first, second)] == ["wait", "wait"]
    served = lambda: node.ask("GET", "/load").json["served"] >= before["served"] + 2  # noqa: E731
    until(served, "both are counted")


def test_the_state_tells_what_the_node_is(node: NodeProcess) -> None:
    until(lambda: node.state()["ready"] == node.state()["workers"], "all processes are ready")
    state = node.state()
    assert state["phase"] == "ready"
    assert (state["contract"], state["mode"], state["revision"]) == (1, "serve", "r-1")
    assert (state["node"], state["code"], state["reason"]) == ("blue-0", None, None)
    assert state["fetched"] == {"files": 0, "of_files": 0, "bytes": 0, "of_bytes": 0}


def test_logs_tell_who_printed_what_for_which_request(node: NodeProcess) -> None:
    node.ask(body="hello", headers={"x-request-id": "r-77"})
    lines = node.lines("InferenceServer")
    inits = [line for line in lines if line["text"] == "the model is none"]
    assert {line["worker"] for line in inits} >= {str(n) for n in range(node.state()["workers"])}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert any("The code is at" in text for text in node.texts("StorageInitializer"))
    assert "the model is none" in node.log
    assert len(node.ask("GET", "/node/logs?tail=1").json["lines"]) == 1
    for bad in ("kind=Other", "tail=many", "tail=-1", "tail=10001"):
        reply = node.ask("GET", f"/node/logs?{bad}")
        assert reply.status == 400
        assert reply.headers["ml-endpoints-node-reason"] == "bad-request"


def test_a_process_that_dies_is_replaced_and_its_end_explained(node: NodeProcess) -> None:
    reply = _dying(node)
    # One alone has the connection itself: then it breaks off.
    if reply is not None:
        assert reply.status == 502
        assert reply.headers["ml-endpoints-node-reason"] == "worker-lost"
        assert reply.headers["ml-endpoints-node"] == PROOF
    death = until(lambda: node.state()["last_death"], "it is told")
    assert death["reason"] == "Its process ended with exit status 9."
    until(lambda: node.state()["ready"] == node.state()["workers"], "it is replaced")
    assert node.state()["restarts"] == 1
    assert node.ask(body="after").json == "after"


def _dying(node: NodeProcess) -> Reply | None:
    with node.connect() as wire:
        wire.ask("POST", "/score", b"die", SHOWN)
        try:
            return wire.reply()
        except ConnectionError:
            return None
