from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.records.job_progress import Progress, Tally
from domain.jobs.records.job_times import JobTimes

SLOW = 1.0
TIMES = JobTimes(release_lease=30)
GOOD = Tally(succeeded_mini_batches=1, succeeded_files=2, rows=5)
BAD = Tally(failed_mini_batches=1, failed_files=2)


def progress(units: int = 5, window: int = 2, error_threshold: int = -1) -> Progress:
    return Progress(
        units=units,
        mini_batches=units,
        files=2 * units,
        window=window,
        error_threshold=error_threshold,
    )


def test_opening_fills_the_window() -> None:
    opened, units = progress().open(100, TIMES)
    assert units == [range(1), range(1, 2)]
    assert opened.released == 2
    assert {u: f.lease_until for u, f in opened.in_flight.items()} == {0: 130, 1: 130}


def test_each_record_lets_the_next_unit_into_the_window() -> None:
    opened, _ = progress().open(100, TIMES)
    after, units = opened.record({1: GOOD}, SLOW, 101, TIMES)
    assert units == [range(2, 3)]
    assert set(after.in_flight) == {0, 2}
    assert after.tally == GOOD
    assert not after.is_over


def test_the_last_record_completes_the_job() -> None:
    current, _ = progress(units=2).open(0, TIMES)
    current, units = current.record({0: GOOD}, SLOW, 0, TIMES)
    assert units == []
    assert not current.is_over
    current, _ = current.record({1: GOOD}, SLOW, 0, TIMES)
    assert current.is_complete
    assert current.tally.rows == 10


def test_minus_one_ignores_failures() -> None:
    current, _ = progress().open(0, TIMES)
    current, units = current.record({0: BAD}, SLOW, 0, TIMES)
    assert units == [range(2, 3)]
    assert not current.closed


def test_a_threshold_of_zero_is_crossed_by_the_first_failed_file() -> None:
    current, _ = progress(error_threshold=0).open(0, TIMES)
    current, units = current.record({0: BAD}, SLOW, 0, TIMES)
    assert current.is_over_threshold
    assert current.closed
    assert units == []


def test_as_many_failed_files_as_the_threshold_do_not_cross_it() -> None:
    current, _ = progress(error_threshold=2).open(0, TIMES)
    current, _ = current.record({0: BAD}, SLOW, 0, TIMES)
    assert not current.is_over
    current, _ = current.record({1: BAD}, SLOW, 0, TIMES)
    assert current.is_over_threshold


def test_a_unit_that_nobody_claimed_is_overdue_and_waits_longer_each_time() -> None:
    current, _ = progress().open(0, TIMES)
    assert current.overdue(29) == []
    assert current.overdue(30) == [0, 1]
    current = current.resend([0], 30, TIMES)
    assert current.in_flight[0].lease_until == 30 + 60
    current = current.resend([0], 90, TIMES)
    assert current.in_flight[0].lease_until == 90 + 120
    assert current.overdue(95) == [1]


def test_what_somebody_is_at_is_not_overdue() -> None:
    current, _ = progress().open(0, TIMES)
    assert current.lease({1: 500}).overdue(40) == [0]


@given(
    units=st.integers(1, 400),
    window=st.integers(1, 9),
    seconds=st.sampled_from([0.0, 0.001, 0.008, 0.1]),
    order=st.randoms(use_true_random=False),
)
def test_every_unit_is_sent_once_and_the_window_never_overflows(
    units: int, window: int, seconds: float, order: object
) -> None:
    current, out = progress(units, window).open(0, TIMES)
    sent = [unit for bundle in out for unit in bundle]
    while out:
        assert len(current.in_flight) == sum(map(len, out)) <= window * current.bundle
        done = out.pop(order.randrange(len(out)))  # type: ignore[attr-defined]
        taken = seconds * len(done)
        current, more = current.record(dict.fromkeys(done, GOOD), taken, 0, TIMES)
        assert all(len(bundle) <= current.bundle for bundle in more)
        sent += [unit for bundle in more for unit in bundle]
        out += more
    assert sorted(sent) == list(range(units))
    assert current.is_complete
    assert current.in_flight == {}


def test_units_are_bundled_while_their_scripts_take_next_to_no_time() -> None:
    current, _ = progress(2000).but(recorded=1000).open(0, TIMES)
    sizes = []
    for seconds in (0.0001, 0.0002, 0.008, 0.016, 0.03, 0.2, 3.0, 3.0, 3.0):
        first = min(current.in_flight)
        units = dict.fromkeys(range(first, first + current.bundle), GOOD)
        current, _ = current.record(units, seconds, 0, TIMES)
        sizes.append(current.bundle)
    # Doubled while twice as many would still take no more than 20 ms, halved at over 40.
    assert sizes == [2, 4, 8, 8, 8, 4, 2, 1, 1]


def test_a_bundle_puts_no_job_noticeably_ahead_of_those_beside_it() -> None:
    current, out = progress(1000, window=4).open(0, TIMES)
    largest = 0
    while out:
        done = out.pop(0)
        assert len(done) <= max(1, current.recorded / 20)
        current, more = current.record(dict.fromkeys(done, GOOD), 0.0, 0, TIMES)
        out += more
        largest = max(largest, len(done))
    assert largest == 16


def test_bundles_take_half_their_time_at_most_whatever_it_is_that_takes_it() -> None:
    current, _ = progress(2000).but(recorded=1000).open(0, TIMES)
    sizes = []
    for each in (0.004, 0.04, 0.08, 0.08, 0.08, 0.2, 0.2, 1.2):
        first = min(current.in_flight)
        units = dict.fromkeys(range(first, first + current.bundle), GOOD)
        current, _ = current.record(units, 0, 0, TIMES, took=each * len(units))
        sizes.append(current.bundle)
    # A bundle of 16 that takes 80 ms a unit would come to its second, one of 8 does not.
    assert sizes == [2, 4, 8, 8, 8, 4, 4, 2]


def test_units_that_came_back_one_by_one_go_out_in_whole_bundles_again() -> None:
    current, out = progress(5000, window=4).open(0, TIMES)
    while current.bundle < 16:
        current, more = current.record(dict.fromkeys(out.pop(0), GOOD), 0.0, 0, TIMES)
        out += more
    alone = [unit for bundle in out for unit in bundle]
    again = []
    for unit in alone:
        current, more = current.record({unit: GOOD}, 0.002, 0, TIMES)
        again += more
    assert {len(bundle) for bundle in again} == {16}


def test_a_bundle_never_holds_so_many_that_the_others_have_none() -> None:
    current, out = progress(64, window=4).open(0, TIMES)
    while out:
        left = current.units - current.released
        current, more = current.record(dict.fromkeys(out.pop(0), GOOD), 0.0, 0, TIMES)
        out += more
        assert all(len(bundle) <= max(1, left // 8) for bundle in more)


def test_jobs_of_very_many_workers_have_no_more_units_in_flight_for_it() -> None:
    current, out = progress(5000, window=200).open(0, TIMES)
    for _ in range(50):
        current, more = current.record(dict.fromkeys(out.pop(0), GOOD), 0.0, 0, TIMES)
        out += more
    assert current.bundle == 1
    assert len(current.in_flight) == 200
