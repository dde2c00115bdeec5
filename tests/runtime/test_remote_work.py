"""A worker whose inputs and blocks are in a remote store."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import Start
from tests.runtime.work_units import events, unit


class Store(http.server.BaseHTTPRequestHandler):
    """A blob store of one: GETs text, takes PUTs, and is out of order on the first of them. It
    refuses URLs that have not `good` in them."""

    blocks: dict[str, bytes]
    failures: list[int]
    asked: list[str]
    refused: list[str]
    good = ""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self._refuses():
            return
        if "absent" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"remote text")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        if self._refuses():
            return
        if self.failures:
            self.send_error(self.failures.pop())
            return
        self.blocks[self.path] = content
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def _refuses(self) -> bool:
        if self.good in self.path:
            return False
        self.refused.append(self.path.partition("?")[0])
        self.send_error(403)
        return True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def store() -> Iterator[tuple[str, type[Store]]]:
    handler = type(
        "OneStore", (Store,), {"blocks": {}, "failures": [503], "asked": [], "refused": []}
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_inputs_and_blocks_of_a_remote_store(start: Start, store: tuple[str, type[Store]]) -> None:
    url, handler = store
    script = """
        import os, tempfile

        def init():
            pass

        def run(mini_batch):
            return [os.path.basename(path) + ": " + open(path).read() for path in mini_batch]

        def shutdown():
            left = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("mini-")]
            print("left behind:", left)
    """
    temporary = {"TMPDIR": "."}
    server = start(script, "work", env=temporary).ready()
    inputs = [{"name": f"{each}/x.txt", "url": f"{url}/c/{each}?sig=s3cret"} for each in "ab"]
    absent = [{"name": "c/absent.txt", "url": f"{url}/c/absent?sig=s3cret"}]
    body = unit(inputs, absent, block=f"{url}/c/out?comp=block&blockid=1")
    found = events(server, body)
    assert found[0]["succeeded"]
    assert "c/absent.txt could not be downloaded" in found[2]["error"]
    assert found[-1]["event"] == "block"
    content = b"a/x.txt,0,x.txt: remote text\nb/x.txt,0,x.txt: remote text\n"
    assert handler.blocks == {"/c/out?comp=block&blockid=1": content}
    handler.failures.append(403)
    assert "403" in events(server, body)[-1]["error"]
    server.terminate()
    assert server.exit_code() == 0
    assert "left behind: []" in server.log
    assert "s3cret" not in server.log


def gated(gates: Path) -> str:
    """A script that waits, for each file, until there is a gate of its name; `.begun` tells that
    it does."""
    return f"""
        import os, time

        def init():
            pass

        def run(mini_batch):
            gate = {str(gates)!r} + "/" + os.path.basename(mini_batch[0])
            open(gate + ".begun", "w").close()
            while not os.path.exists(gate):
                time.sleep(0.01)
            return [open(path).read() for path in mini_batch]
    """


def test_what_comes_next_is_fetched_while_the_script_runs(
    start: Start, store: tuple[str, type[Store]], tmp_path: Path
) -> None:
    url, handler = store
    handler.failures.clear()
    server = start(gated(tmp_path), "work").ready()

    def one(name: str) -> list[dict[str, str]]:
        return [{"name": name, "url": f"{url}/{name}"}]

    first = unit(one("a"), one("b"), block=f"{url}/first")
    second = unit(one("c"), block=f"{url}/second")
    with server.connect() as wire:
        wire.ask("POST", "/units", first)
        until((tmp_path / "a.begun").exists, "a run of the script")
        until(lambda: handler.asked == ["/a", "/b"], "the unit's next mini-batch")
        assert server.ask("POST", "/prepare", second).status == 202
        assert server.ask("POST", "/prepare", second).status == 202
        until(lambda: handler.asked == ["/a", "/b", "/c"], "the next unit's first mini-batch")
        for name in "abc":
            (tmp_path / name).touch()
        assert wire.reply().status == 200
    assert events(server, second)[0]["succeeded"]
    assert handler.asked == ["/a", "/b", "/c"], "each was fetched once"
    assert server.ask("POST", "/prepare", b"{}").status == 400


def test_a_unit_that_outlives_its_urls_goes_on_by_those_it_is_sent(
    start: Start, store: tuple[str, type[Store]], tmp_path: Path
) -> None:
    url, handler = store
    handler.failures.clear()
    server = start(gated(tmp_path), "work").ready()

    def lent(signature: str) -> bytes:
        query = f"?se=2020-01-01T00%3A00%3A00Z&sig={signature}"
        batches = [[{"name": name, "url": f"{url}/{name}{query}"}] for name in "abc"]
        return unit(*batches, block=f"{url}/out{query}")

    handler.good = "sig=first"
    with server.connect() as wire:
        wire.ask("POST", "/units", lent("first"))
        until((tmp_path / "a.begun").exists, "a run of the script")
        until(lambda: len(handler.asked) == 2, "the next mini-batch is fetched")
        handler.good = "sig=second"
        assert server.ask("POST", "/renew", lent("second")).status == 202
        (tmp_path / "a").touch()
        until((tmp_path / "b.begun").exists, "the next run")
        until(lambda: len(handler.asked) == 3, "the last mini-batch is fetched")
        assert handler.refused == []
        handler.good = "sig=third"
        (tmp_path / "b").touch()
        (tmp_path / "c").touch()
        until(lambda: handler.refused == ["/out"], "the block's URL has run out")
        assert server.ask("POST", "/renew", lent("third")).status == 202
        reply = wire.reply()
    assert [json.loads(line)["event"] for line in reply.body.splitlines()][-1] == "block"
    assert list(handler.blocks) == ["/out?se=2020-01-01T00%3A00%3A00Z&sig=third"]
    assert server.ask("POST", "/renew", b"{}").status == 400
