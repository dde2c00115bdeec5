"""What a run used, and what it waited for."""

import os
import resource
import select

import pytest

from runtime.server.thread_use import ThreadUse


def test_a_run_that_waits_for_something_has_waited() -> None:
    use = ThreadUse()
    select.select([], [], [], 0.01)
    used, waited = use.end()
    assert waited >= 0.009
    assert used < 0.01 + waited


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="Linux alone tells")
def test_a_run_that_was_only_put_aside_for_others_has_waited_for_nothing() -> None:
    # Whatever else has threads in this process may have taken the interpreter's lock meanwhile.
    assert any(_put_aside() == 0 for _ in range(50))


def _put_aside() -> float:
    use = ThreadUse()
    for _ in range(10):
        os.sched_yield()
    _, waited = use.end()
    return waited
