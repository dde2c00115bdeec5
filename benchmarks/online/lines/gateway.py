"""What the gateway adds to p50 at one connection, over a direct call to the same instance's
Unix socket. The same thin asyncio client asks both, in turns of a few hundred requests."""

from pathlib import Path
from statistics import median

import uvloop

from benchmarks.http_load import Outcome, Target
from benchmarks.online import ours
from benchmarks.reach.line import Line, at_most
from outside import serving
from outside.running_host import RunningHost

_TURNS = 40
_REQUESTS = 250
_REACH = 0.4


def measure(folder: Path) -> list[Line]:
    with RunningHost(folder / "gateway", "--port", "0", "--http") as host:
        ours.deployed(host)
        through, direct = uvloop.run(_both(host))
    added = (through - direct) * 1000
    told = f"{added:.2f} ms ({through * 1000:.2f} through it, {direct * 1000:.2f} without)"
    return [at_most("the gateway adds to p50 at 1 connection", told, added, _REACH, "ms")]


async def _both(host: RunningHost) -> tuple[float, float]:
    """p50 in seconds: through the gateway, and to the instance itself."""
    asked = ours.question(host)
    body, key = asked.body.encode(), serving.key(host, ours.ENDPOINT)
    through = Target(asked.url, key, body)
    direct = Target("http://localhost/score", key, body, socket=socket_of(host))
    found: dict[Target, list[float]] = {through: [], direct: []}
    for turn in range(_TURNS + 1):
        for target, medians in found.items():
            outcome = Outcome()
            for _ in range(_REQUESTS):
                await target.ask(outcome)
            assert set(outcome.statuses) == {200}, outcome.statuses
            if turn:  # the first is to warm up
                medians.append(outcome.quantile(0.5))
    through.close()
    direct.close()
    return median(found[through]), median(found[direct])


def socket_of(host: RunningHost) -> str:
    """The Unix socket of the only instance."""
    for pid in host.processes(" serve "):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if "--socket" in command:
            return command[command.index("--socket") + 1]
    raise AssertionError("no instance runs")
