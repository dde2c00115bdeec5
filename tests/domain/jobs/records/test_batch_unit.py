from domain.jobs.records.batch_unit import FailedMiniBatch, Unit, block_id, bounded, columns_fault
from domain.ports import MiniBatchResult, UnitOutcome


def lost(ordinal: int | None, *results: MiniBatchResult) -> UnitOutcome:
    return UnitOutcome(results, lost="timed out after 30 s", lost_ordinal=ordinal)


def test_block_ids_have_one_length_and_name_unit_and_attempt() -> None:
    assert block_id(7, 0) == "00000007-000000"
    assert len({len(block_id(u, a)) for u in (0, 39_999) for a in (0, 999_999)}) == 1


def test_each_attempt_has_a_block_of_its_own() -> None:
    unit = Unit(ordinal=3, lease_until=0)
    ids = {
        unit.block_id,
        unit.take_over(1, "m").block_id,
        unit.next_attempt(1).next_attempt(1).block_id,
    }
    assert len(ids) == 3


def test_a_takeover_counts_a_crash_and_no_try() -> None:
    unit = Unit(ordinal=3, lease_until=0).take_over(9, "m")
    assert unit.crashes == 1
    assert unit.tries_left(30, 3) == 4


def test_a_timeout_is_one_try_of_the_mini_batch_it_hit() -> None:
    unit = Unit(ordinal=0, lease_until=0).lose(lost(5), 2, 9)
    assert unit.tries_left(5, 2) == 2
    assert unit.tries_left(4, 2) == 3
    assert unit.attempt == 1


def test_a_mini_batch_out_of_tries_is_given_up_with_its_reason() -> None:
    unit = Unit(ordinal=0, lease_until=0)
    for _ in range(3):
        assert not unit.is_given_up(5)
        unit = unit.lose(lost(5), 2, 9)
    [failed] = unit.given_up
    assert (failed.ordinal, failed.tries, failed.error) == (5, 3, "timed out after 30 s")


def test_a_worker_lost_for_no_fault_of_a_mini_batch_costs_no_try() -> None:
    unit = Unit(ordinal=0, lease_until=0).lose(lost(None), 0, 9)
    assert unit.tries_left(0, 0) == 1
    assert unit.attempt == 1


def test_what_failed_before_the_loss_stays_failed_and_what_succeeded_runs_again() -> None:
    results = (
        MiniBatchResult(0, True, 2, 1, 0.1),
        MiniBatchResult(1, False, 0, 3, 0.1, "ValueError: no", "printed"),
    )
    unit = Unit(ordinal=0, lease_until=0).lose(lost(2, *results), 2, 9)
    assert not unit.is_given_up(0)
    assert unit.is_given_up(1)
    assert unit.given_up[0].tries == 3


def test_a_parked_unit_is_resumed_as_the_same_attempt() -> None:
    unit = Unit(ordinal=0, lease_until=0).park(5)
    resumed = unit.resume(9, "m")
    assert (resumed.attempt, resumed.waits, resumed.parked) == (0, 1, False)


def test_texts_of_a_record_are_bounded_together() -> None:
    long = FailedMiniBatch(ordinal=0, tries=1, error="e" * 10_000, log_excerpt="l" * 10_000)
    one = bounded(long)
    assert len(one.error) == 2_000
    assert one.error.endswith("…")
    assert one.log_excerpt is not None
    assert len(one.log_excerpt) == 4_000
    assert one.log_excerpt.startswith("…")
    many = bounded(long, 1000)
    assert len(many.error) + len(many.log_excerpt or "") <= 256


def test_columns_that_cannot_be_joined_are_explained() -> None:
    assert columns_fault(("a", "b")) is None
    assert "several columns of one name: a" in (columns_fault(("a", "b", "a")) or "")
    assert "200000 at most" in (columns_fault(tuple(f"c{i:0200d}" for i in range(1500))) or "")
