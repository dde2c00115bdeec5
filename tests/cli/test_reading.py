"""YAML files as checked fields: every fault, each with its place."""

from pathlib import Path

import pytest

from cli.documents.overrides import apply
from cli.documents.reading import difference, pairs, read
from cli.documents.yaml_file import read_documents
from cli.failures import UsageFailed
from cli.kinds.deployments import BATCH_DEPLOYMENT, ONLINE_DEPLOYMENT
from cli.kinds.endpoints import ONLINE_ENDPOINT
from cli.kinds.types import Record

DEPLOYMENT = """\
name: blue
endpoint_name: shop
model: azureml:iris:1
code_configuration:
  code: src
  scoring_script: score.py
environment: azureml:plain@latest
instance_type: Standard_DS2_v2
instance_count: "2"
request_settings:
  request_timeout_ms: 3000
liveness_probe: {initial_delay: 5}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("")
    return tmp_path


def write(folder: Path, text: str) -> str:
    file = folder / "file.yml"
    file.write_text(text)
    return str(file)


def faults(record: Record, file: str) -> list[str]:
    with pytest.raises(UsageFailed) as refused:
        read(record, "file", file=file)
    return refused.value.faults


def test_what_the_host_fills_in_is_not_to_be_filled_in_here(folder: Path) -> None:
    text = f"{DEPLOYMENT}description: 'at ${{{{creation_context.trigger_time}}}}'\n"
    fields = read(ONLINE_DEPLOYMENT, "deployment", file=write(folder, text))
    assert fields["description"] == "at ${{creation_context.trigger_time}}"


def test_a_deployment_is_read_with_its_paths_and_said_in_rest(folder: Path) -> None:
    fields = read(ONLINE_DEPLOYMENT, "deployment", file=write(folder, DEPLOYMENT))
    assert fields["code_configuration"]["code"] == {"path": str(folder / "src")}
    body = ONLINE_DEPLOYMENT.sent(fields)
    assert body["sku"] == {"capacity": 2}
    assert body["properties"]["requestSettings"] == {"requestTimeout": "PT3S"}
    assert body["properties"]["livenessProbe"] == {"initialDelay": "PT5S"}
    assert body["properties"]["endpointComputeType"] == "Managed"


def test_every_fault_is_told_at_once_with_line_column_and_the_nearest_name(folder: Path) -> None:
    text = DEPLOYMENT.replace("instance_type", "instanse_type").replace("code: src", "code: away")
    text += 'tags: {a: [1]}\nscale_settings: {type: sometimes}\nmodel_mount_path: "{{WHERE}}"\n'
    found = faults(ONLINE_DEPLOYMENT, write(folder, text))
    told = "\n".join(found)
    assert ":8:1: instanse_type: no such field; did you mean 'instance_type'?" in told
    assert ":5:9: code_configuration.code: away: there is no such file or folder" in told
    assert ":13:11: tags.a: text belongs here, not a list." in told
    assert ":14:24: scale_settings.type: 'sometimes': one of default, target_utilization." in told
    assert ":15:19: model_mount_path: '{{WHERE}}' is to be filled in" in told
    assert len(found) == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "not YAML"),
        ("- a", "fields with values"),
        ("name: shop\nname: other", ":2:1: 'name' stands twice"),
        ("a: &a [*a]", "an alias holds itself"),
        ("name: {{SHOP}}", "is to be filled in first"),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(folder: Path, text: str, told: str) -> None:
    with pytest.raises(UsageFailed, match=told):
        read_documents(Path(write(folder, text)))


def test_many_aliases_of_aliases_are_not_unfolded_without_end(folder: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UsageFailed, match="over 100,000 values"):
        read_documents(Path(write(folder, "\n".join(lines))))


def test_values_of_the_command_line_go_over_those_of_the_file(folder: Path) -> None:
    fields = read(
        ONLINE_ENDPOINT,
        "endpoint",
        file=write(folder, "name: shop\nauth_mode: key\ntags: {a: 1}\n"),
        given={"name": "other", "auth_mode": None},
        sets=["tags.b=2", "auth_mode=AML_TOKEN"],
    )
    assert fields["name"] == "other"
    assert fields["tags"] == {"a": "1", "b": "2"}
    assert ONLINE_ENDPOINT.sent(fields)["properties"]["authMode"] == "AMLToken"


def test_an_environment_may_stand_in_a_file_of_its_own(folder: Path) -> None:
    (folder / "environment.yml").write_text("image: base\nconda_fil: conda.yml\n")
    text = DEPLOYMENT.replace("azureml:plain@latest", "file:environment.yml")
    found = faults(ONLINE_DEPLOYMENT, write(folder, text))
    assert len(found) == 1
    assert "environment.yml:2:1: conda_fil: no such field; did you mean 'conda_file'?" in found[0]


@pytest.mark.parametrize("name", ["ab", "1shop", "shop-", "sh_op", "s" * 33])
def test_names_that_no_endpoint_may_have_are_refused_before_anything_is_sent(
    folder: Path, name: str
) -> None:
    assert "3 to 32 letters" in faults(ONLINE_ENDPOINT, write(folder, f"name: {name}"))[0]


def test_settings_of_a_batch_deployment_may_stand_below_settings(folder: Path) -> None:
    text = "name: lines\nendpoint_name: shop\ntype: model\nsettings: {mini_batch_size: 5}\n"
    fields = read(BATCH_DEPLOYMENT, "deployment", file=write(folder, text))
    assert fields["settings"] == {"mini_batch_size": 5}


def test_fields_and_elements_are_set_added_and_removed() -> None:
    value = {"a": {"b": [1, 2]}, "c": "x"}
    apply(value, ["a.b[1]=9", 'd.e={"f": 1}', "g=null"], ["a.b", "3"], ["c"])
    assert value == {"a": {"b": [1, "9", "3"]}, "d": {"e": {"f": 1}}, "g": None}


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", "c.d[7].e=1"])
def test_an_override_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(UsageFailed):
        apply({"c": {"d": [1]}}, [text])


def test_a_difference_is_a_merge_patch() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": [1], "e": 5}
    after = {"a": {"b": 1, "c": 3}, "d": [1, 2], "f": {"g": 1}}
    assert difference(before, after) == {"a": {"c": 3}, "d": [1, 2], "e": None, "f": {"g": 1}}
    assert difference(before, before) == {}


def test_pairs_are_taken_as_az_takes_them() -> None:
    assert pairs(["blue=90 green=10"], "--traffic") == {"blue": "90", "green": "10"}
    assert pairs(["blue:90,green:10"], "--traffic", "=:") == {"blue": "90", "green": "10"}
    with pytest.raises(UsageFailed, match="NAME=VALUE"):
        pairs(["blue"], "--traffic")
