"""When a process is ready, and when it is given up."""

import pytest

from runtime.node.processes.probes import (
    NeverReady,
    Unresponsive,
    until_ready,
    watch_liveness,
    watch_readiness,
)
from runtime.node.spec import Probe


class Process:
    """Answers its probes as it is told, and then goes on as it did last."""

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, timeout: float) -> bool:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def why() -> str:
    return "it is asleep"


def probe(failures: int, successes: int = 1) -> Probe:
    return Probe(0, 0.001, 1, successes, failures)


async def test_it_is_ready_after_so_many_answers_in_a_row() -> None:
    process = Process(False, True, False, True, True, True)
    await until_ready(probe(1_000_000, successes=3), process, why)
    assert process.asked == 6


async def test_one_that_never_answers_is_told_with_what_it_had() -> None:
    with pytest.raises(NeverReady, match=r"after 0.003 s \(readiness probe: 0 s, .*: it is asleep"):
        await until_ready(probe(3), Process(False), why)


async def test_it_is_given_up_after_so_many_silences_in_a_row() -> None:
    process = Process(False, False, True, False, False, False)
    with pytest.raises(Unresponsive, match="did not answer 3 liveness probes in a row"):
        await watch_liveness(probe(3), process)
    assert process.asked == 6


async def test_readiness_goes_and_comes_back() -> None:
    told: list[bool] = []

    class Enough(Exception):
        pass

    def set_ready(ready: bool) -> None:
        told.append(ready)
        if len(told) == 2:
            raise Enough

    with pytest.raises(Enough):
        await watch_readiness(probe(2), Process(True, False, False, True), set_ready)
    assert told == [False, True]
