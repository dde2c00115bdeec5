"""Whose the other end of a connection is."""

import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from infra.embedded.host.script_callers import ScriptCallers, no_nodes
from tests.kit.waiting import until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")

OWN = range(os.getuid(), os.getuid() + 1)
OTHERS = range(1_900_000_000, 1_900_000_001)


@pytest.fixture(params=["127.0.0.1", "::1"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Of a connection on this machine: the caller's, and the host's."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        door = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip(f"no {request.param}")
    with door, socket.create_connection(door.getsockname()[:2]) as caller:
        taken, _ = door.accept()
        with taken:
            yield caller, taken


def scope(host: socket.socket, **more: Any) -> dict[str, Any]:
    return {"client": host.getpeername()[:2], "server": host.getsockname()[:2], **more}


def test_a_caller_is_a_script_by_the_user_that_has_its_socket(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    _, host = ends
    assert ScriptCallers(lambda: OWN, no_nodes).is_one(scope(host))
    assert not ScriptCallers(lambda: OTHERS, no_nodes).is_one(scope(host))
    assert not ScriptCallers(lambda: range(0), no_nodes).is_one(scope(host))


def test_one_that_has_closed_its_end_already_counts_as_a_script(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    caller, host = ends
    seen = scope(host)
    caller.close()
    until(lambda: ScriptCallers(lambda: OTHERS, no_nodes).is_one(seen))


def test_what_a_proxy_is_said_to_pass_on_is_not_whose_the_connection_is(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    _, host = ends
    forged = {**scope(host), "client": ("192.0.2.7", 0), "peer": host.getpeername()[:2]}
    assert ScriptCallers(lambda: OWN, no_nodes).is_one(forged)


def test_a_caller_from_another_machine_is_no_script() -> None:
    elsewhere = {"client": ("192.0.2.7", 40000), "server": ("192.0.2.1", 443)}
    assert not ScriptCallers(lambda: OWN, no_nodes).is_one(elsewhere)
