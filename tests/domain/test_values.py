from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.ground.resource import EnvironmentVariables
from domain.online.online_deployment import OnlineDeploymentProperties, RequestSettings
from domain.values import Value
from handlers.wire import to_wire


class Leaf(Value):
    some_text: str
    how_long: timedelta = timedelta(seconds=1)


class Branch(Value):
    a_leaf: Leaf
    leaves: tuple[Leaf, ...] = ()
    by_name: dict[str, int] = {}


LEAF = Leaf(some_text="x", how_long=timedelta(milliseconds=500))
BRANCH = Branch(a_leaf=LEAF, leaves=(LEAF, Leaf(some_text="z")), by_name={"A": 1})
TREE = Branch(a_leaf=LEAF, by_name={"A": 1})


def test_a_document_reads_back_as_the_same_value() -> None:
    document = BRANCH.to_document()
    assert set(document) == {"a_leaf", "leaves", "by_name"}
    assert Branch.from_document(document) == BRANCH


def test_wire_names_are_camel_case_and_are_read_too() -> None:
    wire = TREE.model_dump(mode="json", by_alias=True)
    leaf = {"someText": "x", "howLong": "PT0.5S"}
    assert wire == {"aLeaf": leaf, "leaves": [], "byName": {"A": 1}}
    assert Branch.from_document(wire) == TREE


def test_a_value_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        BRANCH.by_name = {}  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Leaf.model_validate({"some_text": "x", "other": 1})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Leaf(some_text="x", other=1)  # type: ignore[call-arg]


def newer(document: dict[str, Any]) -> dict[str, Any]:
    """What a process that knows more fields would have written."""
    leaves = [{**leaf, "colour": n} for n, leaf in enumerate(document["leaves"])]
    a_leaf = {**document["a_leaf"], "colour": {"is": ["green"]}}
    return {**document, "a_leaf": a_leaf, "leaves": leaves, "height": 7}


def test_an_unknown_field_of_a_stored_body_is_read_over_and_kept() -> None:
    body = newer(BRANCH.to_document())
    read = Branch.from_document(body)
    assert (read.a_leaf.some_text, read.by_name) == ("x", {"A": 1})
    assert read.to_document() == body
    after = read.but(by_name={"A": 2}).but(a_leaf=read.a_leaf.but(some_text="y"))
    assert after.to_document() == {
        **body,
        "by_name": {"A": 2},
        "a_leaf": {**body["a_leaf"], "some_text": "y"},
    }


def test_what_is_written_back_in_another_order_keeps_what_belongs_to_it() -> None:
    body = newer(BRANCH.to_document())
    read = Branch.from_document(body)
    first, second = body["leaves"]
    after = read.but(leaves=(read.leaves[1], Leaf(some_text="new"), read.leaves[0]))
    assert after.to_document()["leaves"] == [second, Leaf(some_text="new").to_document(), first]


def test_what_is_not_known_is_not_shown_and_makes_no_difference_elsewhere() -> None:
    body = {**BRANCH.to_document(), "height": 7}
    read = Branch.from_document(body)
    assert to_wire(read) == to_wire(BRANCH)
    assert read.a_leaf == BRANCH.a_leaf
    assert read.but(by_name={}) == read.but(by_name={})
    with pytest.raises(ValidationError):
        read.but(height=8)


def test_a_body_that_is_wrong_in_what_is_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        Leaf.from_document({"other": 1})


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
