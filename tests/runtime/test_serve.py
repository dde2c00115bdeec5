"""The inference server's routes, limits and life, on real scripts."""

import json
import threading

import pytest

from tests.kit.waiting import PATIENCE, until
from tests.runtime.harness import Server, Start, Wire

GATED = """
    import threading
    gate = threading.Event()

    def init():
        pass

    def run(data):
        if data == "wait":
            gate.wait()
        if data == "open":
            gate.set()
        return data
"""

SLOW_INIT = """
    import os, time

    def init():
        while not os.path.exists("go"):
            time.sleep(0.005)

    def run(data):
        return data
"""


def test_probes_are_answered_while_init_hangs(start: Start) -> None:
    server = start(SLOW_INIT)
    reply = server.ask("GET", "/")
    assert (reply.status, reply.body) == (503, b"Starting")
    reply = server.ask(body="early")
    assert reply.status == 503
    assert reply.headers["ms-azureml-model-error-reason"] == "model_not_ready"
    (server.folder / "go").touch()
    server.ready()
    assert server.ask(body="now").json == "now"


def test_a_server_whose_init_hangs_ends_when_asked(start: Start) -> None:
    server = start(SLOW_INIT)
    server.connect()
    server.terminate()
    assert server.exit_code() == 0


def test_routes_and_methods(start: Start) -> None:
    server = start(GATED).ready()
    assert server.ask("GET", "/nothing").status == 404
    assert server.ask("PUT", "/score").status == 405
    assert server.ask("POST", "/").status == 405
    options = server.ask("OPTIONS", "/score")
    assert (options.status, options.body) == (200, b"")
    for target in ("/", "/load", "/nothing", "/swagger.json", "/score"):
        reply = server.ask("GET", target)
        assert reply.headers["x-ms-server-version"].startswith("ml-endpoints/")


def test_load_tells_what_runs_waits_and_was_done(start: Start) -> None:
    server = start(GATED, "serve", "--max-concurrent", "2", "--max-queue", "3").ready()
    server.ask(body="one")
    with server.connect() as first, server.connect() as second, server.connect() as third:
        for wire in (first, second, third):
            wire.ask("POST", "/score", b"wait")
        until(lambda: server.load()["queued"] == 1, "two run and one waits")
        load = until(lambda: _with_average(server), "an average of what is there")
        assert load.pop("average") <= 3
        assert load.pop("idle_seconds") == 0
        assert load == {
            "in_flight": 2,
            "queued": 1,
            "max_concurrent": 2,
            "max_queue": 3,
            "served": 1,
            "failed": 0,
            "overrun": 0,
        }


def _with_average(server: Server) -> dict[str, float] | None:
    load = server.load()
    return load if load["average"] > 0 else None


def test_a_full_queue_is_refused_at_once_with_limit_and_load(start: Start) -> None:
    options = ("--max-concurrent", "1", "--max-queue", "1")
    server = start(GATED, "serve", *options).ready()
    with server.connect() as running, server.connect() as waiting:
        running.ask("POST", "/score", b"wait")
        waiting.ask("POST", "/score", b"queued")
        until(lambda: server.load()["queued"], "one waits")
        reply = server.ask(body="too many")
        assert reply.status == 429
        assert reply.headers["retry-after"] == "1"
        assert reply.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
        assert "blue is at its limit: 1 of 1" in reply.json["message"]
        assert (reply.json["in_flight"], reply.json["max_queue"]) == (1, 1)


def test_a_request_waits_no_longer_than_it_may(start: Start) -> None:
    options = ("--max-concurrent", "1", "--max-queue", "9", "--queue-wait-ms", "50")
    server = start(GATED, "serve", *options).ready()
    with server.connect() as running, server.connect() as waiting:
        running.ask("POST", "/score", b"wait")
        until(lambda: server.load()["in_flight"], "one runs")
        waiting.ask("POST", "/score", b"queued")
        assert waiting.reply().status == 429
        assert server.load()["queued"] == 0


def test_an_overrun_is_answered_counted_and_its_result_thrown_away(start: Start) -> None:
    options = ("--max-concurrent", "2", "--timeout-ms", "100")
    server = start(GATED, "serve", *options).ready()
    with server.connect() as wire:
        wire.ask("POST", "/score", b"wait", {"x-request-id": "r-1"})
        reply = wire.reply()
        assert (reply.status, reply.headers["x-ms-run-function-failed"]) == (500, "True")
        assert "100 ms" in reply.json["message"]
        assert reply.headers["x-request-id"] == "r-1"
        assert server.load()["overrun"] == 1
        assert server.health() == "Healthy"
        until(lambda: _ran_in_time(wire, "open"), "the gate opens")
        until(lambda: server.load()["overrun"] == 0, "the late thread came back")
        until(lambda: _ran_in_time(wire, "after"), "it serves on")


def _ran_in_time(wire: Wire, text: str) -> bool:
    """Whether `run` gave it back: on a machine that stands still the limit passes by itself. What
    an earlier run gives too late is never the answer."""
    wire.ask("POST", "/score", text.encode())
    reply = wire.reply()
    assert reply.status == 500 or reply.json == text
    return reply.status == 200


def test_a_server_all_of_whose_threads_are_stuck_is_not_healthy(start: Start) -> None:
    server = start(GATED, "serve", "--max-concurrent", "1", "--timeout-ms", "50").ready()
    assert server.ask(body="wait").status == 500
    reply = server.ask("GET", "/")
    assert reply.status == 503
    assert b"Stuck" in reply.body
    server.terminate()
    assert server.exit_code() == 0


def test_requests_run_at_once_up_to_the_limit(start: Start) -> None:
    server = start(
        """
        import threading
        barrier = threading.Barrier(4)

        def init():
            pass

        def run(data):
            barrier.wait()
            return threading.current_thread().name
        """,
        "serve",
        "--max-concurrent",
        "4",
    ).ready()
    wires = [server.connect() for _ in range(4)]
    for wire in wires:
        wire.ask("POST", "/score", b"x")
    assert len({wire.reply().json for wire in wires}) == 4


def test_a_drained_server_answers_everybody_and_exits_with_0(start: Start) -> None:
    server = start(
        """
        import os, time

        def init():
            pass

        def run(data):
            while not os.path.exists("go"):
                time.sleep(0.005)
            return data
        """,
        "serve",
        "--max-queue",
        "9",
    ).ready()
    wires = [server.connect() for _ in range(4)]
    for number, wire in enumerate(wires):
        wire.ask("POST", "/score", str(number).encode())
    until(lambda: server.load()["queued"] == 3, "one runs, three wait")
    idle, half = server.connect(), server.connect()
    half.send(b"GET / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n")
    assert (half.line(), half.line()) == (b"HTTP/1.1 100 Continue", b"")
    server.terminate()
    assert idle.at_end()
    half.send(b"x")
    assert half.reply().body == b"Draining"
    with pytest.raises(OSError, match=r"refused|No such file"):
        Wire(server.socket_path)
    (server.folder / "go").touch()
    for number, wire in enumerate(wires):
        reply = wire.reply()
        assert (reply.json, reply.headers["connection"]) == (str(number), "close")
    assert server.exit_code() == 0


def test_megabytes_of_print_reach_the_log_and_hold_up_nothing(start: Start) -> None:
    server = start(
        """
        def init():
            print("from init", "\\ud800")

        def run(data):
            for _ in range(2000):
                print("x" * 1000)
            return "done"
        """
    ).ready()
    assert server.ask().json == "done"
    assert server.log.count("x" * 1000) == 2000
    assert server.log.startswith("from init \\ud800\n")


def test_a_log_that_nobody_reads_does_not_stop_the_probes(start: Start) -> None:
    import subprocess

    server = start(
        """
        def init():
            pass

        def run(data):
            print("x" * 10_000_000)
        """,
        stdout=subprocess.PIPE,
    ).ready()
    with server.connect() as wire:
        wire.ask("POST", "/score", b"x")
        until(lambda: server.load()["in_flight"], "it prints")
        assert server.health() == "Healthy"
        assert server.process.stdout is not None
        reader = threading.Thread(target=server.process.stdout.read)
        reader.start()
        assert wire.reply().json == {}
        server.terminate()
        reader.join(PATIENCE)
        assert not reader.is_alive()


def test_the_script_sees_its_own_folder_and_nothing_of_ours(start: Start) -> None:
    server = start(
        """
        import importlib.util, json, os, sys, threading
        import helper

        def init():
            global found
            found = [name for name in ("runtime", "serve", "pool", "domain", "infra")
                     if importlib.util.find_spec(name)]

        def run(data):
            return {
                "found": found,
                "helper": helper.NAME,
                "cwd": os.getcwd() == os.path.dirname(os.path.abspath(__file__)),
                "main_thread": threading.current_thread() is threading.main_thread(),
                "argument": data,
                "variable": os.environ["MINE"],
            }
        """,
        files={"helper.py": "NAME = 'helper'"},
        env={"MINE": "yes"},
    ).ready()
    assert server.ask(body="é").json == {
        "found": [],
        "helper": "helper",
        "cwd": True,
        "main_thread": True,
        "argument": "é",
        "variable": "yes",
    }


@pytest.mark.parametrize("version", [None, "2", "3", "3.1"])
def test_an_undecorated_script_has_a_document_in_every_version(
    start: Start, version: str | None
) -> None:
    server = start(GATED).ready()
    reply = server.ask("GET", "/swagger.json" + (f"?version={version}" if version else ""))
    document = reply.json
    wanted = {"2": "2.0", "3": "3.0.3", "3.1": "3.1.0"}[version or "2"]
    assert document.get("swagger", document.get("openapi")) == wanted
    assert "/score" in document["paths"]
    assert server.ask("GET", "/swagger.json?version=9").status == 404


def test_a_document_of_the_users_own_is_served(start: Start) -> None:
    own = {"openapi": "3.0.0", "info": {"title": "mine"}}
    server = start(GATED, files={"swagger3.json": json.dumps(own)}).ready()
    assert server.ask("GET", "/swagger.json?version=3").json == own


def test_who_has_an_answer_finds_the_worker_free(start: Start) -> None:
    server = start(GATED, "serve", "--max-concurrent", "1", "--max-queue", "0").ready()
    with server.connect() as wire:
        for number in range(2000):
            wire.ask("POST", "/score", b"x")
            assert wire.reply().status == 200, number
    assert server.load()["served"] == 2000
