"""How long an instance that does not answer is asked by any gateway, in time that is counted."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from domain.ports import InstanceLost
from domain.scoring.online_routing import USABLE
from infra.compute.http.unix_connection import UnixResponse
from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import NothingLent
from infra.compute.remote.fleet import Node, NodeState
from infra.compute.remote.node_watches import MOST_A_SECOND, PERIOD, FollowedNode, NodeWatches
from infra.compute.remote.remote_scorer import proof_of
from tests.simulation.virtual_loop import VirtualLoop

BOUND = 5.0
ROUND = 0.25
"""Seconds in which the host that decides writes what it has heard: a list of what the platform has,
and a write."""
SECRET = "secret"


class Agents(UnixHttp):
    """They answer at once, until `silent_at`: then they do nothing, or refuse connections."""

    def __init__(self, loop: VirtualLoop, silent_at: float, *, refuses: bool) -> None:
        super().__init__()
        self._loop = loop
        self._silent_at = silent_at
        self._refuses = refuses

    async def request(
        self,
        address: str,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: AsyncIterator[bytes] | bytes = b"",
        *,
        timeout: float,
    ) -> UnixResponse:
        if self._loop.time() >= self._silent_at:
            if self._refuses:
                raise InstanceLost("Nobody listens there.", sent=False)
            await self._loop.create_future()
        told = b'{"phase": "ready", "workers": 1}'
        return UnixResponse(200, [("ml-endpoints-node", proof_of(SECRET))], told)


def unready_after(silent_at: float, nodes: int, *, refuses: bool = False) -> float:
    """Seconds from when a node falls silent until the host that decides knows it."""
    loop = VirtualLoop()

    async def known() -> float:
        heard = asyncio.Event()
        http = Agents(loop, silent_at, refuses=refuses)
        watches = NodeWatches(http, heard.set, NothingLent(), loop.time)
        followed = [
            FollowedNode(Node(f"n{i}", "g", i, NodeState.RUNNING, f"10.0.0.{i}:1"), SECRET, None)
            for i in range(nodes)
        ]
        watches.follow(followed, {})
        while loop.time() < silent_at or watches.health("n0").ready:
            heard.clear()
            await heard.wait()
        at = loop.time()
        await watches.close()
        return at - silent_at

    return loop.run(known())


@pytest.mark.parametrize("nodes", [1, int(PERIOD * MOST_A_SECOND)])
def test_one_that_hangs_or_is_cut_off_is_asked_by_no_gateway_after_five_seconds(nodes: int) -> None:
    """Whenever between two looks it falls silent."""
    looks = [3 + PERIOD * step / 7 for step in range(8 if nodes == 1 else 2)]
    worst = max(unready_after(at, nodes) for at in looks)
    assert worst + ROUND + USABLE.total_seconds() <= BOUND


def test_one_that_refuses_connections_is_known_to_be_gone_at_the_next_look() -> None:
    assert unready_after(3.0001, 1, refuses=True) <= PERIOD
