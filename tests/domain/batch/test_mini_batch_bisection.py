"""The bad files of a mini-batch are found, and no other, in a bounded number of runs."""

import math
from collections.abc import Callable, Collection, Iterator
from itertools import combinations

import pytest

from domain.batch.mini_batch_bisection import MOST_BAD, Bisection


def found(
    files: int, fails: Callable[[Collection[int]], bool], **kind: bool
) -> tuple[Bisection, int]:
    """What is known once nothing is left to be run, and how many runs it took."""
    bisection = Bisection.of(files, 4, is_unit=kind.get("is_unit", True))
    runs = 0
    while True:
        test = bisection.next_test
        run = bisection.rest if test is None else test
        runs += 1 if test is not None else stretches(run)
        is_bad = bool(run) and fails(run)
        if test is not None:
            bisection = bisection.failed("no good") if is_bad else bisection.passed()
        elif bisection.pending and is_bad:
            bisection = bisection.rest_failed()
        else:
            return bisection, runs


def stretches(files: Collection[int]) -> int:
    """Runs that it takes to have the rows of what is between bad files apart."""
    return len({index for index in files if index - 1 not in files})


def whichever(bad: Collection[int]) -> Callable[[Collection[int]], bool]:
    return lambda run: not set(bad).isdisjoint(run)


def bad_in(bisection: Bisection) -> list[int]:
    return sorted(each.first for each in bisection.bad)


def every_choice() -> Iterator[tuple[int, tuple[int, ...]]]:
    for files in range(2, 10):
        for number in range(1, files + 1):
            for bad in combinations(range(files), number):
                yield files, bad


def test_whichever_files_are_bad_they_are_found_within_the_bound() -> None:
    for files, bad in every_choice():
        bisection, runs = found(files, whichever(bad))
        assert bad_in(bisection) == list(bad)
        assert runs <= 2 * len(bad) * math.log2(files) + 1, (files, bad)


def test_a_mini_batch_among_others_of_its_unit_is_run_for_its_rows_when_all_is_known() -> None:
    for files, bad in every_choice():
        bisection, _ = found(files, whichever(bad), is_unit=False)
        assert bad_in(bisection) == list(bad)
        assert bisection.pending == ()


@pytest.mark.parametrize("files", [10, 17, 64, 96, 1000, 1023])
def test_one_bad_file_of_many_costs_a_few_runs_wherever_it_is(files: int) -> None:
    for bad in range(0, files, max(1, files // 50)):
        bisection, runs = found(files, whichever([bad]))
        assert bad_in(bisection) == [bad]
        assert runs <= 2 * math.log2(files) + 1, bad


def test_where_all_are_bad_it_costs_no_more_than_two_runs_a_file() -> None:
    bisection, runs = found(64, lambda _: True)
    assert bad_in(bisection) == list(range(64))
    assert runs <= 2 * 64


def test_files_that_fail_only_together_are_not_bad() -> None:
    bisection, _ = found(8, lambda run: len(run) > 4)
    assert bisection.bad == ()
    assert bisection.rest == list(range(8))


def test_what_fails_no_more_is_not_bad() -> None:
    bisection, runs = found(16, lambda _: False)
    assert bisection.bad == ()
    assert runs <= math.log2(16) + 2


def test_a_worker_lost_on_one_file_is_lost_once_more_before_the_file_is_bad() -> None:
    bisection = Bisection.of(2, 1, is_unit=True).lost_one("killed", 1)
    assert bisection.bad == ()
    assert bisection.next_test == range(1)
    assert bad_in(bisection.lost_one("killed", 1)) == [0]
    assert bisection.passed().next_test == range(1, 2)


def test_a_bad_file_has_its_own_reason_and_as_many_tries_as_runs_that_failed_with_it() -> None:
    bisection = Bisection.of(4, 3, is_unit=True).failed("two of them").failed("this one", "printed")
    [bad] = bisection.bad
    assert (bad.first, bad.tries) == (0, 5)
    assert (bad.error, bad.log_excerpt) == ("this one", "printed")


def test_where_thousands_are_bad_the_last_are_not_looked_at() -> None:
    bisection, runs = found(4 * MOST_BAD, lambda _: True)
    assert sum(each.count for each in bisection.bad) == 4 * MOST_BAD
    assert bisection.rest == []
    assert runs <= 2 * MOST_BAD + 20
    assert "1000 files of the mini-batch are bad" in bisection.bad[-1].error
    assert len(bisection.model_dump_json()) < 1_000_000
