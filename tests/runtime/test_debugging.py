"""A debugger in a script's process: what is said where there can be none."""

import sys

import pytest

from runtime import debugging
from runtime.script import ScriptFailed


def test_an_environment_without_debugpy_says_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(debugging.PORT, "5678")
    monkeypatch.setitem(sys.modules, "debugpy", None)
    with pytest.raises(ScriptFailed) as refused:
        debugging.offer()
    assert "add it to the pip packages of its conda file" in refused.value.message


@pytest.mark.parametrize("port", ["", "http", "0", "65536"])
def test_what_is_no_port_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(debugging.PORT, port)
    with pytest.raises(ScriptFailed, match="must be a port's number"):
        debugging.offer()


def test_a_script_is_loaded_from_where_it_is_edited_under_a_debugger_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(debugging.CODE, "/home/me/src")
    assert debugging.code_folder("/fetched") == "/fetched"
    monkeypatch.setenv(debugging.PORT, "5678")
    assert debugging.code_folder("/fetched") == "/home/me/src"
