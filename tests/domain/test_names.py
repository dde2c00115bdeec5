import pytest

from domain.errors import Invalid
from domain.names import (
    AssetReference,
    WorkspaceScope,
    asset_name_fault,
    endpoint_name_fault,
    file_name_fault,
    parse_asset_reference,
)

SCOPE = WorkspaceScope("00000000-0000-0000-0000-000000000000", "group", "workspace")
MODEL = SCOPE.path("models", "m", "versions", "1")


@pytest.mark.parametrize("name", ["abc", "a-b", "A1z", "iris-2026", "a" * 32, "a--b"])
def test_what_may_name_an_endpoint(name: str) -> None:
    assert endpoint_name_fault(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 33,
        "1abc",
        "-abc",
        "abc-",
        "a_b",
        "a.b",
        "a/b",
        "a b",
        "ünter",
        "abc\n",
        "../../etc",
        "%2e%2e",
        "a\x00b",
        "абв",
        "a" * 3000,
    ],
)
def test_what_may_not_name_an_endpoint_is_told_why(name: str) -> None:
    fault = endpoint_name_fault(name)
    assert fault
    assert len(fault) < 200


@pytest.mark.parametrize("name", ["predictions.csv", "a b", "ä", "x" * 255, "..."])
def test_what_may_name_a_file(name: str) -> None:
    assert file_name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "a\x00b", "a\n", "x" * 256, "\ud800"]
)
def test_what_may_not_name_a_file_is_told_why(name: str) -> None:
    fault = file_name_fault(name)
    assert fault
    assert fault.isprintable()


@pytest.mark.parametrize("name", ["m", "1", "2026-01-02", "a.b_c-d", "a" * 255])
def test_what_may_name_an_asset(name: str) -> None:
    assert asset_name_fault(name) is None


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "_a", "a/b", "a b", "a" * 256, "a\n", "é"])
def test_what_may_not_name_an_asset_is_told_why(name: str) -> None:
    assert asset_name_fault(name)


def test_ids_nest_as_arm_s_do() -> None:
    assert SCOPE.id == (
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/group"
        "/providers/Microsoft.MachineLearningServices/workspaces/workspace"
    )
    assert SCOPE.path("models", "m") == f"{SCOPE.id}/models/m"


@pytest.mark.parametrize("text", [MODEL, MODEL.upper(), f"azureml:{MODEL}", MODEL + "/"])
def test_an_arm_id_of_this_workspace_is_found_in_any_case(text: str) -> None:
    found = SCOPE.relative(text)
    assert found is not None
    assert [segment.casefold() for segment in found] == ["models", "m", "versions", "1"]


@pytest.mark.parametrize(
    "text", ["", "/", "models/m", MODEL.replace("group", "groupie"), SCOPE.id + "2/models/m"]
)
def test_an_arm_id_of_elsewhere_is_not_found(text: str) -> None:
    assert SCOPE.relative(text) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("azureml:m:1", "1"),
        ("m:1", "1"),
        ("azureml:m@latest", None),
        ("m@latest", None),
        ("azureml:m", None),
        (MODEL, "1"),
        (f"azureml:{MODEL}", "1"),
        (SCOPE.path("Models", "m", "Versions", "1"), "1"),
        (SCOPE.path("models", "m"), None),
    ],
)
def test_every_form_of_a_reference_is_read(text: str, version: str | None) -> None:
    assert parse_asset_reference(text, "models", SCOPE) == AssetReference("m", version)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("azureml:m@champion", "champion"),
        ("m@Champion", "Champion"),
        (SCOPE.path("models", "m", "labels", "champion"), "champion"),
        (SCOPE.path("models", "m", "Labels", "latest"), None),
        ("azureml:m@LATEST", None),
    ],
)
def test_a_label_is_read_and_latest_is_the_newest(text: str, label: str | None) -> None:
    assert parse_asset_reference(text, "models", SCOPE) == AssetReference("m", None, label)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (SCOPE.path("codes", "c", "versions", "1"), "does not name a version under models"),
        (MODEL.replace("group", "other"), "not in this workspace"),
        ("/", "not in this workspace"),
        ("azureml://registries/r/models/m/versions/1", "registry"),
        ("azureml:m:1:2", "is not a reference"),
        ("azureml:../m:1", "is not a reference"),
        ("azureml:", "is not a reference"),
        ("https://example.test/m", "is not a reference"),
        ("", "is not a reference"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(text: str, because: str) -> None:
    with pytest.raises(Invalid, match=because):
        parse_asset_reference(text, "models", SCOPE)
