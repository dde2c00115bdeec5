import pytest

from domain.ground.stored_sums import Sums, add_up
from domain.rollout.shadow_diff import Lost, Side, agree, compared, lost, report


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"", b""),
        (b"plain text", b"plain text"),
        (b'{"a": 1, "b": [1, 2]}', b'{"b":[1,2],"a":1}'),
        (b"[0.1]", b"[0.10000000001]"),
        (b"[1]", b"[1.0]"),
        (b"[0]", b"[1e-15]"),
        (b"[NaN, Infinity]", b"[ NaN, Infinity ]"),
    ],
)
def test_answers_that_say_the_same_agree(one: bytes, other: bytes) -> None:
    assert agree(one, other)
    assert agree(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"a", b"b"),
        (b"[1]", b"[1, 1]"),
        (b"[1]", b"[1.1]"),
        (b"[1]", b"[true]"),
        (b"[0]", b"[false]"),
        (b'["1"]', b"[1]"),
        (b'{"a": 1}', b'{"a": 1, "b": 1}'),
        (b"[null]", b"[0]"),
        (b"[NaN]", b"[1]"),
        (b"[" + b"9" * 400 + b"]", b"[1.5]"),
        (b"[" * 100_000, b"[" * 99_999),
        (b"\xff", b"\xfe"),
    ],
)
def test_answers_that_differ_do_not_agree(one: bytes, other: bytes) -> None:
    assert not agree(one, other)
    assert not agree(other, one)


def body(*amounts: Sums) -> Sums:
    sums: Sums = {}
    for amount in amounts:
        add_up(sums, amount)
    return {"live": "blue", "mirror": "green", "since": 1.0, "updated": 2.0, "sums": sums}


def test_a_report_adds_up_what_was_compared() -> None:
    found = report(
        body(
            compared(Side(True, 0.01, b"1"), Side(True, 0.02, b"1")),
            compared(Side(True, 0.01, b"1"), Side(True, 0.02, b"2")),
            compared(Side(True, 0.01, b"1"), Side(False, 0.02, None)),
            compared(Side(True, 0.01, None), Side(True, 0.02, b"2")),
            lost(Lost.TOO_LARGE),
            lost(Lost.TOO_LARGE),
        )
    )
    assert (found.mirrored, found.compared, found.agreed) == (4, 2, 1)
    assert (found.agreement, found.too_large_to_compare) == (0.5, 1)
    assert found.lost == {"tooLarge": 2}
    assert (found.live.errors, found.mirror.errors, found.mirror.error_rate) == (0, 1, 0.25)
    assert found.gap is not None
    assert found.gap.error_rate == 0.25
    assert found.gap.mean_latency_ms == pytest.approx(10)
    assert found.gap.p95_latency_ms == pytest.approx(10, rel=0.2)


def test_a_report_of_lost_copies_alone_has_no_figures() -> None:
    found = report(body(lost(Lost.NOT_READY)))
    assert (found.mirrored, found.agreement, found.gap) == (0, None, None)
    assert found.live.latency_ms is None
