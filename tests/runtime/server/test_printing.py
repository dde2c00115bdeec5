"""What a script prints: each line with the time and the request."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.kit.waiting import until
from tests.runtime.conftest import RUNTIME
from tests.runtime.harness import STAMP, Server, Start

PRINTS = """
import asyncio, logging, os, sys, threading

together = threading.Barrier(4)
logging.basicConfig(level=logging.INFO, format="%(message)s")


def init():
    print("loading")
    print("half", end="")


def run(data):
    exec(data, dict(globals()))
    return 1


async def later(said):
    print(said, "first")
    await asyncio.sleep(0)
    await asyncio.to_thread(print, said, "in a thread")
    await asyncio.create_task(also(said))


async def also(said):
    print(said, "in a task")
"""
ASYNC = PRINTS.replace("def run(data):\n    exec(data, dict(globals()))", "async def run(data):")
ASYNC = ASYNC.replace("    return 1", "    await later(data)\n    return 1", 1)


def said(server: Server, body: str, request: str = "r-1") -> None:
    assert server.ask(body=body, headers={"x-request-id": request}).status == 200


def test_lines_have_time_and_request_and_none_where_there_is_none(start: Start) -> None:
    before = datetime.now(UTC)
    server = start(PRINTS).ready()
    said(server, "print('one\\ntwo'); logging.info('logged'); print('late', file=sys.stderr)")
    said(server, "print('other')", "r-2")
    lines = [("-", "loading"), *(("r-1", each) for each in ("one", "two", "logged", "late"))]
    until(lambda: server.lines == [*lines, ("r-2", "other")])
    times = [datetime.fromisoformat(m[1]) for m in STAMP.finditer(server.log_path.read_text())]
    assert times == sorted(times)
    assert before.replace(microsecond=0) <= times[0]
    assert times[-1] <= datetime.now(UTC)


def test_requests_in_several_threads_at_once_keep_their_lines_whole_and_apart(
    start: Start,
) -> None:
    server = start(PRINTS, "serve", "--max-concurrent", "4").ready()
    code = (
        "together.wait()\nfor n in range(50):\n"
        "    print('a', end=''); sys.stdout.write('b'); print(str(n), 'c')"
    )
    ids = [f"r-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda id: said(server, code, id), ids))
    for id in ids:
        assert [text for request, text in server.lines if request == id] == [
            f"ab{n} c" for n in range(50)
        ]


def test_coroutines_their_tasks_and_their_threads_print_for_their_request(start: Start) -> None:
    server = start(ASYNC, "serve", "--max-concurrent", "4").ready()
    ids = [f"r-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda id: said(server, id, id), ids))
    for id in ids:
        assert [text for request, text in server.lines if request == id] == [
            f"{id} first",
            f"{id} in a thread",
            f"{id} in a task",
        ]


def test_a_half_line_is_shown_once_flushed_and_goes_on_where_nobody_came_between(
    start: Start,
) -> None:
    server = start(PRINTS).ready()
    said(server, "print('10 %', end='', flush=True)")
    assert server.log.endswith("10 %")
    said(server, "print('20 %', end='', flush=True); print(' done')")
    assert server.lines[-1] == ("r-1", "10 %20 % done")
    said(server, "print('30 %', end='', flush=True)")
    said(server, "print('other')", "r-2")
    assert server.lines[-2:] == [("r-1", "30 %"), ("r-2", "other")]


def test_what_is_no_text_or_has_no_end_harms_nothing(start: Start) -> None:
    server = start(PRINTS).ready()
    said(server, "print('\\udcff \\x1e2026 forged')")
    assert server.lines[-1] == ("r-1", "\\udcff \\x1e2026 forged")
    said(server, "sys.stdout.buffer.write(b'raw\\n'); sys.stdout.flush()")
    said(server, "print('x' * 1_000_000, end=''); print('y')")
    assert server.lines[-2:] == [("", "raw"), ("r-1", "x" * 1_000_000 + "y")]
    said(server, "for n in range(100_000): print('z', end='')")
    assert "zzz" in server.log


def test_a_forked_child_prints_whatever_another_thread_is_at(start: Start) -> None:
    server = start(PRINTS, "serve", "--max-concurrent", "4").ready()
    code = (
        "together.wait()\nfor n in range(20):\n    print('x' * 1000)\n    child = os.fork()\n"
        "    if not child:\n        print('child'); os._exit(0)\n    os.waitpid(child, 0)"
    )
    ids = [f"r-{number}" for number in range(4)]
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda id: said(server, code, id), ids))
    assert server.log.count("child") == 80


def test_half_lines_are_there_when_the_process_has_ended(start: Start) -> None:
    server = start(PRINTS).ready()
    server.process.terminate()
    until(lambda: server.process.poll() is not None)
    assert ("-", "half") in server.lines


def test_an_odd_request_id_does_not_break_the_stamp(start: Start) -> None:
    server = start(PRINTS).ready()
    said(server, "print('here')", "a b")
    assert ("a_b", "here") in server.lines


def test_a_batch_prints_for_all_of_its_requests(start: Start) -> None:
    script = """
    import os, time
    def init(): pass
    def run(data): return 1
    def run_batch(items):
        print(len(items), "items")
        while not os.path.exists("open"):
            time.sleep(0.01)
        return items
    """
    server = start(
        script,
        *("serve", "--max-concurrent", "12", "--max-queue", "12"),
        env={"ML_ENDPOINTS_MAX_BATCH": "12"},
    ).ready()
    with ThreadPoolExecutor(12) as callers:
        first = callers.submit(said, server, "first", "r-first")
        until(lambda: ("r-first", "1 items") in server.lines)
        rest = [callers.submit(said, server, f"{n}", f"r-{n:02}") for n in range(10)]
        until(lambda: server.load()["in_flight"] == 11)
        (server.folder / "open").touch()
        for each in (first, *rest):
            each.result()
    (together,) = [request for request, text in server.lines if text == "10 items"]
    ids, _, more = together.partition("+")
    assert set(ids.split(",")) < {f"r-{n:02}" for n in range(10)}
    assert (len(ids.split(",")), more) == (8, "2")


def test_the_runtimes_own_streams_are_as_a_script_expects_them() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); from runtime.server import printing; "
        "printing.install(); assert sys.stdout.isatty() is False; "
        "assert (sys.stdout.fileno(), sys.stdout.encoding) == (1, 'utf-8'); "
        "sys.stdout.reconfigure(errors='replace'); sys.stdout.writelines(['a\\n', 'b\\n']); "
        "assert sys.__stdout__ is sys.stdout; print('c', end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=RUNTIME.parent, capture_output=True, text=True, check=True
    )
    assert [STAMP.sub("", line) for line in done.stdout.split("\n")] == ["a", "b", "c", ""]
