from datetime import timedelta

import pytest
from pydantic import ValidationError

from domain.ground.resource import EnvironmentVariables
from domain.online.online_deployment import OnlineDeploymentProperties, RequestSettings
from domain.values import Value


class Leaf(Value):
    some_text: str
    how_long: timedelta = timedelta(seconds=1)


class Branch(Value):
    a_leaf: Leaf
    by_name: dict[str, int] = {}


BRANCH = Branch(a_leaf=Leaf(some_text="x", how_long=timedelta(milliseconds=500)), by_name={"A": 1})


def test_a_document_reads_back_as_the_same_value() -> None:
    document = BRANCH.to_document()
    assert set(document) == {"a_leaf", "by_name"}
    assert Branch.from_document(document) == BRANCH


def test_wire_names_are_camel_case_and_are_read_too() -> None:
    wire = BRANCH.model_dump(mode="json", by_alias=True)
    assert wire == {"aLeaf": {"someText": "x", "howLong": "PT0.5S"}, "byName": {"A": 1}}
    assert Branch.from_document(wire) == BRANCH


def test_a_value_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        BRANCH.by_name = {}  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Leaf.from_document({"some_text": "x", "other": 1})


def test_but_validates_as_a_new_value_would_be() -> None:
    assert BRANCH.but(by_name={}).by_name == {}
    assert BRANCH.by_name == {"A": 1}
    with pytest.raises(ValidationError):
        BRANCH.but(by_name={"A": "many"})
    with pytest.raises(ValidationError):
        BRANCH.but(unheard_of=1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT5S", 5), ("PT0.5S", 0.5), ("PT1M", 60), ("PT0.001S", 0.001)]
)
def test_durations_are_iso_8601_with_fractions(text: str, seconds: float) -> None:
    read = RequestSettings.from_document({"requestTimeout": text})
    assert read.request_timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["5 s", "P", "", "PT301S", "-PT1S", "PT0S", "PT1e3S"])
def test_what_is_no_duration_within_the_limits_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RequestSettings.from_document({"requestTimeout": text})


@pytest.mark.parametrize(
    "variables", [{"": "x"}, {"A=B": "x"}, {"A\x00": "x"}, {"A": "x\x00"}, {"A": "x" * 40_000}]
)
def test_environment_variables_that_no_process_can_have_are_refused(
    variables: EnvironmentVariables,
) -> None:
    with pytest.raises(ValidationError):
        OnlineDeploymentProperties(environment_variables=variables)
    OnlineDeploymentProperties(environment_variables={"A": "x=y\n", "ä": ""})
