import pytest
from pydantic import TypeAdapter, ValidationError

from domain.errors import NotFound, PreconditionFailed
from domain.ground.resource import Conditions, StringMap
from domain.ports import Document

THERE = Document("p", "i", {"kind": "k"}, etag="abc")
WHAT = "Endpoint 'iris'"


@pytest.mark.parametrize("etag", ["abc", '"abc"', 'W/"abc"'])
def test_the_current_etag_lets_a_write_go_ahead_with_or_without_quotes(etag: str) -> None:
    Conditions(if_match=etag).check(THERE, WHAT)


@pytest.mark.parametrize(
    ("conditions", "current"),
    [
        (Conditions(), THERE),
        (Conditions(), None),
        (Conditions(must_exist=True), THERE),
        (Conditions(must_be_new=True), None),
    ],
)
def test_a_condition_that_holds_lets_a_write_go_ahead(
    conditions: Conditions, current: Document | None
) -> None:
    conditions.check(current, WHAT)


@pytest.mark.parametrize(
    ("conditions", "current", "because"),
    [
        (Conditions(if_match="older"), THERE, "it is abc now"),
        (Conditions(if_match=""), THERE, "has changed"),
        (Conditions(if_match="abc"), None, "does not exist"),
        (Conditions(must_be_new=True), THERE, "exists already"),
        (Conditions(if_match="abc", must_be_new=True), THERE, "exists already"),
    ],
)
def test_a_condition_that_does_not_hold_stops_a_write(
    conditions: Conditions, current: Document | None, because: str
) -> None:
    with pytest.raises(PreconditionFailed, match=because):
        conditions.check(current, WHAT)


def test_an_update_of_nothing_is_not_found() -> None:
    with pytest.raises(NotFound, match=WHAT):
        Conditions(must_exist=True).check(None, WHAT)


def test_numbers_and_truth_values_in_string_maps_are_read_as_text_as_arm_does() -> None:
    adapter: TypeAdapter[dict[str, str]] = TypeAdapter(StringMap)
    read = adapter.validate_python({"hash_version": 202208, "ratio": 0.5, "on": True, "s": "x"})
    assert read == {"hash_version": "202208", "ratio": "0.5", "on": "true", "s": "x"}
    with pytest.raises(ValidationError):
        adapter.validate_python({"nested": {"a": 1}})
