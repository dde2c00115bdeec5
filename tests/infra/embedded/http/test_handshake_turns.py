"""In which order handshakes begin."""

import socket
from collections.abc import Iterator

import pytest
import uvicorn

from infra.embedded.http.caller_connection import CallerConnection, DoorState
from infra.embedded.http.handshake_turns import HandshakeTurns
from tests.kit.stages.ample_door import AMPLE


@pytest.fixture
def nowhere() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


async def test_addresses_take_turns_however_many_come_of_one(nowhere: socket.socket) -> None:
    turns = HandshakeTurns()
    config, state = uvicorn.Config(lambda: None, log_config=None), DoorState(AMPLE)
    connections = [CallerConnection(config, state, nowhere, each) for each in "aaaaabac"]
    for connection in connections:
        turns.add(connection, nowhere)
    turns.remove(connections[1])
    turns.remove(connections[1])
    order = []
    while turns:
        order.append(connections.index(turns.next()[0]))
    assert order == [0, 5, 7, 2, 3, 4, 6]
    turns.remove(connections[0])
    assert not turns
