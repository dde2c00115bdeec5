"""Micro-batches: off unless asked for, never at the cost of a neighbour."""

import asyncio
import functools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest

from runtime.online.batching import BatchingPool, BatchLimits
from runtime.server.exchange import Request
from runtime.server.http1 import Head
from tests.kit.waiting import until
from tests.runtime.harness import Reply, Server, Start

BATCHED = """
    import json, threading
    gate = threading.Event()
    sizes = []

    def init():
        pass

    def run(data):
        value = json.loads(data)
        if value == "open":
            gate.set()
        if value == "bad":
            raise ValueError("bad")
        return {"alone": value}

    def run_batch(requests):
        values = [json.loads(r) for r in requests]
        sizes.append(len(values))
        if values == ["hold"]:
            import os, time
            open("begun", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.002)
        if "bad" in values:
            raise ValueError("somewhere in this batch")
        if "short" in values:
            return values[1:]
        return [KeyError(v) if v == "own" else {"value": v, "of": len(values)} for v in values]
"""
_NOBODY: Any = None
CONCURRENT = ("--max-concurrent", "8", "--max-queue", "0")


def together(
    server: Server, *values: Any, while_there: Callable[[], object] = lambda: None
) -> list[Reply]:
    """The replies to requests that all wait while one before them runs."""
    with ThreadPoolExecutor(len(values) + 1) as threads:
        first = threads.submit(server.ask, body='"hold"')
        until((server.folder / "begun").exists, "the first one runs")
        replies = []
        for i, value in enumerate(values):
            replies.append(threads.submit(server.ask, body=json.dumps(value)))
            there = functools.partial(server.has_in_flight, 2 + i)
            until(there, "it is there")
        while_there()
        (server.folder / "go").touch()
        assert first.result().json == {"value": "hold", "of": 1}
        return [reply.result() for reply in replies]


def batching(start: Start, size: int = 4, delay: int = 0, script: str = BATCHED) -> Server:
    asked = {"ML_ENDPOINTS_MAX_BATCH": str(size), "ML_ENDPOINTS_MAX_BATCH_DELAY_MS": str(delay)}
    return start(script, "serve", *CONCURRENT, env=asked)


def test_without_being_asked_no_batch_is_made(start: Start) -> None:
    assert start(BATCHED).ready().ask(body="1").json == {"alone": 1}


def test_requests_that_are_there_together_are_one_call_each_with_its_own_answer(
    start: Start,
) -> None:
    replies = together(batching(start).ready(), 1, 2, 3, 4, 5)
    assert [reply.json["value"] for reply in replies] == [1, 2, 3, 4, 5]
    assert [reply.json["of"] for reply in replies] == [4, 4, 4, 4, 1]


def test_a_bad_request_fails_alone_when_its_batch_raises(start: Start) -> None:
    server = batching(start).ready()
    replies = together(server, 1, "bad", 3)
    assert [reply.status for reply in replies] == [200, 500, 200]
    assert replies[0].json == {"alone": 1}
    assert "somewhere in this batch" in server.log
    assert server.load()["failed"] == 1


def test_an_exception_in_the_list_is_the_failure_of_that_request(start: Start) -> None:
    replies = together(batching(start).ready(), 1, "own")
    assert [reply.status for reply in replies] == [200, 500]


def test_too_few_results_fail_the_whole_batch_and_say_why(start: Start) -> None:
    replies = together(batching(start).ready(), "short", 1)
    assert [reply.status for reply in replies] == [500, 500]
    assert replies[0].json["message"] == "run_batch() returned 1 results for 2 requests"


def test_a_lone_caller_never_waits_for_others(start: Start) -> None:
    server = batching(start, delay=60_000).ready()
    with server.connect() as wire:
        for i in range(5):
            wire.ask("POST", "/score", str(i).encode())
            assert wire.reply().json == {"value": i, "of": 1}


def test_a_lone_request_is_run_though_a_batch_might_wait_for_ever() -> None:
    loop = asyncio.new_event_loop()
    ran: list[Request] = []
    pool = BatchingPool(
        loop,
        _never,
        run_batch=ran.extend,
        limits=BatchLimits(4, 1e6),
        max_concurrent=8,
        max_queue=0,
        on_late=_never,
        on_overrun=_never,
    )
    worker = Thread(target=pool.work, args=(0,), daemon=True)
    worker.start()
    for number in range(1, 6):
        request = Request(Head(b"POST /score HTTP/1.1\r\nhost: x"), b"", _NOBODY)
        assert pool.offer(request)
        until(lambda: not pool.in_flight, "it is run")
        assert len(ran) == number
    pool.stop()
    worker.join()
    loop.close()


def _never(request: Request) -> None:
    raise AssertionError(f"{request} is not run by itself, and has no limit")


def test_more_than_max_concurrent_are_refused_and_a_drain_answers_all(start: Start) -> None:
    server = batching(start).ready()
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(server.ask, body='"hold"')
        until((server.folder / "begun").exists, "the first one runs")
        rest = [threads.submit(server.ask, body=str(i)) for i in range(7)]
        until(lambda: server.load()["in_flight"] == 8, "all are there")
        assert server.ask(body="9").status == 429
        server.terminate()
        (server.folder / "go").touch()
        assert {reply.result().status for reply in [first, *rest]} == {200}
    assert server.exit_code() == 0


@pytest.mark.parametrize(
    ("env", "script", "because"),
    [
        ({"ML_ENDPOINTS_MAX_BATCH": "8"}, None, "does not define run_batch()"),
        ({"ML_ENDPOINTS_MAX_BATCH": "many"}, BATCHED, "ML_ENDPOINTS_MAX_BATCH is 'many'"),
        ({"ML_ENDPOINTS_MAX_BATCH_DELAY_MS": "-1"}, BATCHED, "whole number from 0"),
    ],
)
def test_what_cannot_be_batched_is_said_at_the_start(
    start: Start, env: dict[str, str], script: str | None, because: str
) -> None:
    plain = "def init(): pass\ndef run(data): return 1"
    server = start(script or plain, "serve", env=env)
    assert server.exit_code() == 3
    assert because in server.log.splitlines()[-1]


def test_the_load_tells_an_average_and_how_long_nobody_came(start: Start) -> None:
    server = batching(start).ready()
    averages: list[float] = []

    def look() -> None:
        averages.append(until(lambda: server.load()["average"], "an average of what is there"))

    together(server, 1, 2, while_there=look)
    assert averages[0] < 3
    until(lambda: server.load()["idle_seconds"] > 0.01, "it is idle")
    until(lambda: server.load()["average"] < averages[0], "the average fades")


def test_a_model_with_a_signature_gets_its_typed_data_and_answers_in_each_one_s_dialect(
    start: Start,
) -> None:
    script = """
        PAYLOAD_SIGNATURE = {
            "inputs": [{"name": "a", "type": "double"}, {"name": "b", "type": "long"}],
            "params": [{"name": "scale", "type": "double", "default": 1.0, "shape": None}],
        }

        def init():
            pass

        def run(table, params):
            raise AssertionError("alone")

        def run_batch(requests):
            return [r["table"].sum(axis=1).to_numpy() * r["params"]["scale"] for r in requests]
    """
    server = batching(start, script=script).ready()
    split = {"columns": ["a", "b"], "data": [[0.5, 1], [1.5, 2]]}
    assert server.ask(body=json.dumps({"dataframe_split": split})).json == {
        "predictions": [1.5, 3.5]
    }
    scaled = {"dataframe_split": split, "params": {"scale": 2.0}}
    assert server.ask(body=json.dumps(scaled)).json == {"predictions": [3.0, 7.0]}
    assert server.ask(body=json.dumps({"dataframe_split": {}})).status == 400
