"""A share of `make fuzz`."""

from outside.running_host import RunningHost
from tests.fuzz import machine

HOST_ENVIRONMENT = machine.HOST_ENVIRONMENT


def test_no_sequence_of_calls_is_answered_as_it_must_not_be(host: RunningHost) -> None:
    fuzzed = machine.fuzz(host, examples=3, steps=15, seed=1)
    assert fuzzed.faults == []
    assert len(fuzzed.reached) - len(fuzzed.unreached) >= 5, "too little of it came to a 2xx"
