"""Which instances are left out, and for how long."""

import random
from collections.abc import Sequence

from domain.ports import Instance
from domain.scoring.outliers import ENOUGH, FAILURES, FIRST_REST, Outliers


class Crowd:
    def __init__(self, count: int) -> None:
        self.now = 1000.0
        self.outliers = Outliers(lambda: self.now)
        self.there = [Instance(f"blue-{i}", f"/run/{i}") for i in range(count)]

    def fail(self, number: int, times: int = 1) -> None:
        for _ in range(times):
            self.outliers.note(self.there[number], self.there, None, failed=True)

    def answer(self, number: int, seconds: float = 0.01, times: int = 1) -> None:
        for _ in range(times):
            self.outliers.note(self.there[number], self.there, seconds, failed=False)

    def all_answer(self, besides: Sequence[int] = (), seconds: float = 0.01) -> None:
        for number in range(len(self.there)):
            if number not in besides:
                self.answer(number, seconds, ENOUGH)

    def left_out(self) -> set[int]:
        kept = self.outliers.without(self.there)
        return {i for i, instance in enumerate(self.there) if instance not in kept}


def test_one_that_fails_in_a_row_is_left_out_for_a_while() -> None:
    crowd = Crowd(3)
    crowd.all_answer()
    crowd.fail(1, FAILURES - 1)
    assert not crowd.outliers.any
    crowd.fail(1)
    assert crowd.left_out() == {1}
    crowd.now += FIRST_REST - 0.1
    assert crowd.left_out() == {1}
    crowd.now += 0.2
    assert crowd.left_out() == set()
    assert not crowd.outliers.any
    # It has not mended: the second rest is longer.
    crowd.fail(1, FAILURES)
    crowd.now += FIRST_REST + 0.1
    assert crowd.left_out() == {1}
    crowd.now += FIRST_REST
    assert crowd.left_out() == set()


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    crowd = Crowd(3)
    crowd.all_answer()
    for _ in range(5):
        crowd.fail(1, FAILURES - 1)
        crowd.answer(1)
    assert crowd.left_out() == set()


def test_where_all_fail_alike_nobody_is_left_out() -> None:
    crowd = Crowd(4)
    luck = random.Random(1)
    for _ in range(4000):
        number = luck.randrange(4)
        if luck.random() < 0.5:
            crowd.fail(number)
        else:
            crowd.answer(number)
        assert not crowd.outliers.any


def test_one_that_is_much_slower_than_its_peers_is_left_out() -> None:
    crowd = Crowd(3)
    crowd.all_answer(besides=[2])
    crowd.answer(2, 0.2, ENOUGH)
    assert crowd.left_out() == {2}


def test_a_little_slower_is_not_too_slow_nor_are_few_answers_enough() -> None:
    crowd = Crowd(3)
    crowd.all_answer(besides=[2], seconds=0.001)
    crowd.answer(2, 0.04, ENOUGH)  # 40 times as slow, and yet quick
    crowd.answer(2, 9.0, ENOUGH - 1)
    assert crowd.left_out() == set()


def test_the_last_one_is_never_left_out_nor_more_than_half() -> None:
    alone = Crowd(1)
    alone.fail(0, 100)
    assert alone.left_out() == set()
    pair = Crowd(2)
    pair.all_answer()
    pair.fail(0, FAILURES)
    pair.fail(1, 100)
    assert pair.left_out() == {0}
    crowd = Crowd(5)
    crowd.all_answer()
    for number in range(5):
        crowd.fail(number, FAILURES)
    assert len(crowd.left_out()) <= 2


def test_what_is_remembered_is_bounded() -> None:
    crowd = Crowd(2)
    crowd.fail(0, FAILURES - 1)
    for number in range(4097):
        crowd.there[1] = Instance(f"blue-{number + 1}", "/run")
        crowd.answer(1)
    crowd.fail(0, 1)
    assert crowd.left_out() == set(), "its failures are forgotten with all that came between"
