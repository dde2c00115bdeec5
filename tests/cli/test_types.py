"""Fields in YAML, in REST, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.documents.faults import Faults
from cli.documents.yaml_file import Document
from cli.kinds.deployments import ONLINE_DEPLOYMENT
from cli.kinds.endpoints import BATCH_ENDPOINT, ONLINE_ENDPOINT
from cli.kinds.spans import iso_duration, seconds_of
from cli.kinds.types import Choice, Flag, Number, Record, Span, Text, Type, Whole

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def read(kind: Type, value: object) -> tuple[object, list[str]]:
    faults = Faults(Document({}, None))
    return kind.read(value, ("field",), faults), faults.found


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (Whole(1, 9), "3", 3),
        (Whole(1, 9), 3.0, 3),
        (Flag(), "True", True),
        (Choice({"key": "Key", "aml_token": "AMLToken"}), "AMLToken", "aml_token"),
        (Choice({"key": "Key"}), "KEY", "key"),
        (Text(), 3, "3"),
        (Text(), True, "true"),
        (Number(0, 1), "0.5", 0.5),
    ],
)
def test_values_are_taken_as_az_takes_them(kind: Type, value: object, kept: object) -> None:
    assert read(kind, value) == (kept, [])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Whole(1, 9), 0),
        (Whole(1, 9), 10),
        (Whole(), "1e3"),
        (Whole(), True),
        (Flag(), "yes"),
        (Choice({"key": "Key"}), "keys"),
        (Text(), None),
        (Number(0, 1), "nan"),
        (Number(0, 1), True),
        (Span(1, 1, 5), 6),
    ],
)
def test_values_that_are_none_are_faults(kind: Type, value: object) -> None:
    assert len(read(kind, value)[1]) == 1


@given(value=JSON)
def test_whatever_is_written_is_kept_or_told_and_never_breaks(value: object) -> None:
    for record in (ONLINE_ENDPOINT, ONLINE_DEPLOYMENT, BATCH_ENDPOINT):
        faults = Faults(Document({}, None))
        record.read({"name": "shop", "tags": value, "traffic": value, "odd": value}, (), faults)
        assert any("odd" in fault for fault in faults.found)


@given(milliseconds=st.integers(0, 10**9))
def test_durations_come_back_as_they_went(milliseconds: int) -> None:
    kind = Span(0.001)
    assert kind.shown(kind.sent(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT0.5S", 0.5), ("PT5S", 5), ("PT1M30S", 90), ("P1DT1H", 90_000), ("PT", None), ("5", None)],
)
def test_durations_are_iso_8601(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_a_duration_is_short() -> None:
    assert [iso_duration(each) for each in (5, 0.5, 0.001)] == ["PT5S", "PT0.5S", "PT0.001S"]


def test_a_record_shows_what_rest_has_and_says_it_again() -> None:
    rest = {
        "properties": {
            "authMode": "AMLToken",
            "traffic": {"blue": 100},
            "scoringUri": "https://host/score",
        },
        "tags": {"a": "1"},
    }
    shown = ONLINE_ENDPOINT.shown(rest)
    assert shown["auth_mode"] == "aml_token"
    assert shown["scoring_uri"] == "https://host/score"
    fields = {name: value for name, value in shown.items() if name != "scoring_uri"}
    assert ONLINE_ENDPOINT.sent(fields) == {
        "properties": {"authMode": "AMLToken", "traffic": {"blue": 100}},
        "tags": {"a": "1"},
    }


def test_every_field_that_is_read_is_known_to_the_schema_for_editors() -> None:
    def walk(record: Record) -> None:
        schema = record.schema()
        assert set(schema["properties"]) == {"$schema", *record.named}
        assert schema["additionalProperties"] is False
        for field in record.fields:
            if isinstance(field.type, Record):
                walk(field.type)

    walk(ONLINE_DEPLOYMENT)
