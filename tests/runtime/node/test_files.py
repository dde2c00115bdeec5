"""A node's model and code, fetched by signed URLs."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from runtime.node import logs
from runtime.node.faults import NodeFailed
from runtime.node.files.artifacts import Artifacts
from runtime.node.spec import parse
from tests.kit.waiting import PATIENCE, until
from tests.kit.web_server import WebServer, reply, web_server
from tests.runtime.node.harness import StartNode, nowhere

WEIGHTS = bytes(range(256)) * 4096
SCRIPT = b"""
import os

def init():
    global size
    size = os.path.getsize(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m", "weights.bin"))

def run(data):
    return size
"""


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def file(url: str, content: bytes, path: str = "m/weights.bin", **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"path": path, "size": len(content), "sha256": digest, "url": url, **more}


class Fetch:
    """Of a spec with these model files, without a process around it."""

    def __init__(self, folder: Path, *files: dict[str, Any], fetch_seconds: float = 3600) -> None:
        code = folder / "code at hand"
        code.mkdir(exist_ok=True)
        spec, faults = parse(
            {
                "contract": 1,
                "mode": "serve",
                "code": {"path": str(code)},
                "model": {"files": list(files)},
                "serve": {"deployment": "blue"},
                "fetch_seconds": fetch_seconds,
            }
        )
        assert faults == []
        self.log = logs.Log(nowhere())
        self.artifacts = Artifacts(spec, str(folder), self.log)

    def run(self) -> Path:
        return Path(self.artifacts.fetch().model)

    def fault(self) -> NodeFailed:
        with pytest.raises(NodeFailed) as failed:
            self.artifacts.fetch()
        return failed.value

    @property
    def story(self) -> str:
        return "\n".join(line.text for line in self.log.tail(1000))


def test_a_node_fetches_its_code_and_model_and_serves(
    start_node: StartNode, web: WebServer
) -> None:
    code = file(web.file("/score.py", SCRIPT) + "?sig=s3cret", SCRIPT, "src/score.py")
    model = file(web.file("/weights", WEIGHTS) + "?sig=s3cret", WEIGHTS)
    node = start_node(None, code={"files": [code], "root": "src"}, model={"files": [model]}).ready()
    assert node.ask().json == len(WEIGHTS)
    size = len(SCRIPT) + len(WEIGHTS)
    fetched = {"files": 2, "of_files": 2, "bytes": size, "of_bytes": size}
    assert node.state()["fetched"] == fetched
    story = "\n".join(node.texts("StorageInitializer"))
    assert "The model has 1 file, 1.0 MiB." in story
    assert "Everything is there after" in story
    assert "s3cret" not in story + node.log


def test_a_fault_of_the_agent_s_own_is_told_and_not_taken_for_a_slow_fetch(
    start_node: StartNode, web: WebServer
) -> None:
    unnameable = file(web.file("/score.py", SCRIPT), SCRIPT, "\ud800.py")
    state = start_node(None, code={"files": [unnameable]}).failed()
    assert state["code"] == "ResourceNotReady"
    assert state["reason"].startswith("The agent failed as it began: UnicodeEncodeError")


def test_a_url_that_has_run_out_is_waited_for_and_pushed(
    start_node: StartNode, web: WebServer
) -> None:
    web.answers["/stale"] = lambda request: reply(request, 403, b"expired")
    code = file(web.url + "/stale?se=2020-01-01T00:00:00Z&sig=s", SCRIPT, "score.py")
    model = file(web.file("/weights", WEIGHTS), WEIGHTS)
    node = start_node(None, code={"files": [code]}, model={"files": [model]})
    until(lambda: node.state()["wants_urls"] == ["code/score.py"], "it wants another")
    assert node.state()["phase"] == "fetching"
    assert node.ask().headers["ml-endpoints-node-reason"] == "starting"
    bad = node.ask("PUT", "/node/urls", '{"urls": {"code/other.py": "ftp://x"}}')
    assert bad.status == 400
    assert "no file of this node" in bad.json["message"]
    assert "not one of https or http" in bad.json["message"]
    fresh = web.file("/fresh", SCRIPT)
    pushed = node.ask("PUT", "/node/urls", f'{{"urls": {{"code/score.py": "{fresh}"}}}}')
    assert pushed.status == 204
    assert node.ready().ask().json == len(WEIGHTS)
    assert node.state()["wants_urls"] == []


def test_a_node_whose_file_is_not_the_one_has_failed_and_says_so(
    start_node: StartNode, web: WebServer
) -> None:
    model = file(web.file("/other", b"x" * len(WEIGHTS)), WEIGHTS)
    state = start_node("", model={"files": [model]}).failed()
    assert state["code"] == "ResourceNotReady"
    assert "model/m/weights.bin has the SHA-256" in state["reason"]
    assert state["ready"] == 0


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (404, "ResourceNotFound", "was removed"),
        (410, "ResourceNotFound", "the store answered 410"),
        (412, "ResourceNotFound", "was changed or removed"),
        (400, "ResourceNotFound", "the store answered 400"),
    ],
)
def test_what_cannot_be_had_is_told_by_name_without_its_url(
    tmp_path: Path, web: WebServer, status: int, code: str, told: str
) -> None:
    web.answers["/gone"] = lambda request: reply(request, status, b"")
    gone = file(web.url + "/gone?sig=s3cret", WEIGHTS, etag='"e"')
    fetch = Fetch(tmp_path, gone)
    fault = fetch.fault()
    assert fault.code == code
    assert told in fault.reason
    assert "model/m/weights.bin" in fault.reason
    assert "s3cret" not in fault.reason + fetch.story
    assert f"error: {fault.reason}" in fetch.story


@pytest.mark.parametrize("size", [len(WEIGHTS) - 1, len(WEIGHTS) + 1])
def test_a_file_of_another_size_is_refused(tmp_path: Path, web: WebServer, size: int) -> None:
    other = file(web.file("/weights", WEIGHTS), WEIGHTS) | {"size": size, "sha256": ""}
    fetch = Fetch(tmp_path, other)
    assert "bytes and should have" in fetch.fault().reason
    assert "it is fetched once more" in fetch.story
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_breaks_off_goes_on_where_it_stopped(tmp_path: Path, web: WebServer) -> None:
    parts: list[str | None] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        parts.append(asked)
        assert request.headers["If-Match"] == '"e"'
        first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        request.send_response(206 if asked else 200)
        request.send_header("content-length", str(len(WEIGHTS) - first))
        request.send_header("content-range", f"bytes {first}-{len(WEIGHTS) - 1}/{len(WEIGHTS)}")
        request.end_headers()
        request.wfile.write(WEIGHTS[first : first + 600_000])
        request.close_connection = True

    web.answers["/broken"] = answer
    model = Fetch(tmp_path, file(web.url + "/broken", WEIGHTS, etag='"e"')).run()
    assert (model / "m" / "weights.bin").read_bytes() == WEIGHTS
    assert parts == [None, "bytes=600000-1048575"]


def test_a_store_out_of_order_is_asked_again(tmp_path: Path, web: WebServer) -> None:
    statuses = [503]

    def answer(request: BaseHTTPRequestHandler) -> None:
        status = statuses.pop() if statuses else 200
        reply(request, status, WEIGHTS if status == 200 else b"")

    web.answers["/busy"] = answer
    model = Fetch(tmp_path, file(web.url + "/busy", WEIGHTS)).run()
    assert (model / "m" / "weights.bin").read_bytes() == WEIGHTS


def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path, web: WebServer) -> None:
    known = file(web.file("/weights", WEIGHTS), WEIGHTS)
    place = Fetch(tmp_path, known).run() / "m" / "weights.bin"
    web.answers["/weights"] = _never
    again = Fetch(tmp_path, known)
    again.run()
    assert "model/m/weights.bin: there already." in again.story
    place.write_bytes(b"x" * len(WEIGHTS))
    web.file("/weights", WEIGHTS)
    Fetch(tmp_path, known).run()
    assert place.read_bytes() == WEIGHTS


def _never(request: BaseHTTPRequestHandler) -> None:
    raise AssertionError(request.path)


def test_a_fresh_url_that_never_comes_is_told(tmp_path: Path, web: WebServer) -> None:
    web.answers["/stale"] = lambda request: reply(request, 401, b"")
    stale = file(web.url + "/stale", WEIGHTS)
    fault = Fetch(tmp_path, stale, fetch_seconds=0).fault()
    assert "no fresh one came in 0 s" in fault.reason


def test_a_fetch_that_is_stopped_ends(tmp_path: Path, web: WebServer) -> None:
    web.answers["/stale"] = lambda request: reply(request, 401, b"")
    fetch = Fetch(tmp_path, file(web.url + "/stale", WEIGHTS))
    ended: list[NodeFailed] = []
    waiting = threading.Thread(target=lambda: ended.append(fetch.fault()))
    waiting.start()
    until(lambda: fetch.artifacts.wants_urls, "it waits")
    fetch.artifacts.stop()
    waiting.join(PATIENCE)
    assert ended


def test_files_of_this_machine_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "a file.bin"
    source.write_bytes(WEIGHTS)
    model = Fetch(tmp_path, file(source.as_uri(), WEIGHTS)).run()
    assert (model / "m" / "weights.bin").read_bytes() == WEIGHTS
    assert "No such file" in Fetch(tmp_path, file("file:///nowhere", b"x", "x")).fault().reason


NONSENSE: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda good: {**good, "path": "../../etc/passwd"}, "leaves its folder"),
    (lambda good: {**good, "path": "/etc/passwd"}, "leaves its folder"),
    (lambda good: {**good, "path": ""}, "leaves its folder"),
    (lambda good: {**good, "size": -1}, "size is not a whole number"),
    (lambda good: {**good, "sha256": "abc"}, "sha256 is not a SHA-256"),
    (lambda good: {**good, "url": "ftp://x/y"}, "url is not one of"),
    (lambda good: {**good, "etag": "a\r\nb: c"}, "etag has a line break"),
]


@pytest.mark.parametrize(("change", "told"), NONSENSE)
def test_files_that_make_no_sense_are_faults_of_the_spec(
    change: Callable[[dict[str, Any]], dict[str, Any]], told: str
) -> None:
    good = file("https://x/y", b"x")
    _, faults = parse({"model": {"files": [good, change(good)]}})
    assert any(told in fault for fault in faults)
    assert "https://x/y" not in " ".join(faults)
    _, faults = parse({"model": {"files": [good, good]}, "code": {"path": "x", "files": [good]}})
    assert "model.files has 'm/weights.bin' twice." in faults
    assert "code.files or code.path is to be given, and not both." in faults
