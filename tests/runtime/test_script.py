"""A script that cannot serve says why, with exit code 3 and one JSON line at the end."""

import json

import pytest

from tests.runtime.harness import Start

RUN = "def run(data):\n    return data\n"
INIT = "def init():\n    pass\n"


@pytest.mark.parametrize("command", ["serve", "work"])
@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (None, "UserScriptImportError", "score.py"),
        ("def run(:", "UserScriptImportError", "SyntaxError"),
        ("import absent_module", "UserScriptImportError", "absent_module"),
        ("import sys; sys.exit(0)", "UserScriptImportError", "SystemExit"),
        ("raise ValueError('broken\\nmodel')", "UserScriptImportError", "broken model"),
        (RUN, "UserScriptFunctionNotFound", "init()"),
        (INIT, "UserScriptFunctionNotFound", "run()"),
        (INIT + "run = 3", "UserScriptFunctionNotFound", "run()"),
        (INIT + "def run(): pass", "UserScriptFunctionNotFound", "parameter"),
        (INIT + "def run(*data): pass", "UserScriptFunctionNotFound", "*args"),
        (RUN + "def init():\n    open('/absent')\n", "UserScriptInitFailed", "/absent"),
        (RUN + "def init():\n    raise SystemExit\n", "UserScriptInitFailed", "SystemExit"),
    ],
)
def test_a_script_that_cannot_serve_is_explained(
    start: Start, command: str, script: str | None, code: str, words: str
) -> None:
    server = start(script, command)
    assert server.exit_code() == 3
    failure = json.loads(server.log.splitlines()[-1])
    assert failure["code"] == code
    assert words in failure["message"]


ENDS_LAST = """
import os, sys, threading, time

end = os._exit


def is_leaving(frame):
    return frame is not None and (frame.f_code.co_name == "leave" or is_leaving(frame.f_back))


def end_last(code):
    if threading.current_thread() is threading.main_thread():
        [http] = [each.ident for each in threading.enumerate() if each.name == "http"]
        while not is_leaving(sys._current_frames()[http]):
            time.sleep(0.01)
    end(code)


os._exit = end_last
"""
"""Not before the other thread has heard that it is to end."""


def test_it_ends_with_that_code_though_its_own_end_asks_it_to_end(start: Start) -> None:
    server = start(ENDS_LAST)
    assert server.exit_code() == 3


def test_the_traceback_before_it_shows_only_the_users_code(start: Start) -> None:
    server = start(RUN + "def init():\n    deep()\n\ndef deep():\n    raise KeyError('k')\n")
    assert server.exit_code() == 3
    assert "in deep" in server.log
    assert "KeyError: 'k'" in server.log
    assert "script.py" not in server.log
    assert "importlib" not in server.log


def test_an_async_script_keeps_one_loop_from_init_to_run(start: Start) -> None:
    server = start(
        """
        import asyncio

        async def init():
            global loop
            loop = asyncio.get_running_loop()

        async def run(data):
            await asyncio.sleep(0)
            assert loop is asyncio.get_running_loop()
            return data.upper()
        """
    ).ready()
    assert server.ask(body="hello").json == "HELLO"


def test_what_a_script_defines_can_be_pickled_and_declared_by_annotations(start: Start) -> None:
    server = start(
        """
        from __future__ import annotations
        import pickle
        from dataclasses import dataclass, KW_ONLY, field

        @dataclass
        class Point:
            x: int
            _: KW_ONLY
            y: int = 2

        def init():
            pass

        def run(data):
            return pickle.loads(pickle.dumps(Point(1))).y
        """
    ).ready()
    assert server.ask().json == 2
