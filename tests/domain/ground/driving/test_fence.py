"""Which messages go on, by what they name and where the process stands."""

from itertools import product

import pytest

from domain.ground.driving.fence import Fence, Verdict, taken_over
from domain.ground.messages import AdvanceJob, CheckDrop, Reconcile
from tests.domain.ground.driving.walking import Walk

HERE = Fence(chain=3, tick=5)


def test_a_message_that_names_where_the_process_stands_goes_on() -> None:
    for untold in (False, True):
        assert HERE.verdict(Fence(3, 5), untold=untold) is Verdict.GO_ON


@pytest.mark.parametrize("tick", range(5))
def test_one_that_is_behind_is_stale_unless_it_may_have_left_something_unsent(tick: int) -> None:
    assert HERE.verdict(Fence(3, tick), untold=False) is Verdict.STALE
    assert HERE.verdict(Fence(3, tick), untold=True) is Verdict.RESEND


@pytest.mark.parametrize(("chain", "tick"), [(3, 6), (3, 99), *product((0, 2, 4), (0, 5, 99))])
def test_one_of_another_chain_or_ahead_is_stale_whatever_came_before(chain: int, tick: int) -> None:
    for untold in (False, True):
        assert HERE.verdict(Fence(chain, tick), untold=untold) is Verdict.STALE


def test_without_a_tick_a_message_of_this_chain_and_this_wish_goes_on() -> None:
    here = Fence(chain=1, generation=7)
    assert here.verdict(Fence(1, generation=7), untold=True) is Verdict.GO_ON
    for other in (Fence(1, generation=6), Fence(1, generation=8), Fence(0, generation=7)):
        assert here.verdict(other, untold=True) is Verdict.STALE


def test_whoever_takes_over_makes_every_message_stale() -> None:
    taken = HERE.taken_over()
    assert taken == Fence(4, 0)
    assert {taken.verdict(Fence(3, t), untold=True) for t in range(9)} == {Verdict.STALE}
    assert Fence(3, generation=2).taken_over() == Fence(4, generation=2)


def test_a_saved_step_makes_its_own_message_stale() -> None:
    assert HERE.ticked() == Fence(3, 6)
    assert HERE.ticked().verdict(HERE, untold=False) is Verdict.STALE
    assert Fence(3, generation=2).ticked() == Fence(3, generation=2), "nothing counts them"


def test_it_stands_in_documents_and_messages_under_the_names_they_have() -> None:
    walk = Walk(goal=1, chain=2, tick=7)
    assert Fence.of(walk) == Fence(2, 7)
    assert (taken_over(walk).chain, taken_over(walk).tick) == (3, 0)
    assert Fence(8, 9).on(walk) == Walk(goal=1, chain=8, tick=9)
    assert Fence.named_by(CheckDrop(endpoint="e", chain=2, tick=7)) == Fence(2, 7)
    asked = Reconcile(kind="batchEndpoints", endpoint="e", generation=4, chain=1, step=30)
    assert Fence.named_by(asked) == Fence(1, generation=4)
    assert Fence.named_by(AdvanceJob(job="j")) is None, "a nudge"
