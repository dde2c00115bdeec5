"""Files and folders as the resources they describe."""

from pathlib import Path

import pytest

from cli.deploying.sources import read_sources
from cli.failures import UsageFailed
from cli.templates.files import TEMPLATES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in TEMPLATES["script"].files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.replace("NAME", "sums"))
    return tmp_path


def test_a_field_is_set_where_a_kind_has_it(folder: Path) -> None:
    sets = ["instance_count=3", "auth_mode=aml_token", "tags.team=a"]
    endpoint, deployment = read_sources([str(folder)], sets)
    assert endpoint.fields["auth_mode"] == "aml_token"
    assert "instance_count" not in endpoint.fields
    assert (deployment.fields["instance_count"], "auth_mode" in deployment.fields) == (3, False)
    assert endpoint.fields["tags"] == deployment.fields["tags"] == {"team": "a"}


def test_a_field_that_no_kind_has_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(UsageFailed, match="has 'instance_cuont'") as refused:
        read_sources([str(folder)], ["instance_cuont=3"])
    assert "'instance_count'" in (refused.value.hint or "")


def test_a_field_is_set_inside_the_form_that_has_all_in_one(tmp_path: Path) -> None:
    (tmp_path / "all.yml").write_text(
        "name: sums\ntype: online\nauth_mode: key\ndeployments:\n"
        "- {name: blue, model: 'azureml:m:1', environment: 'azureml:e:1', "
        "instance_type: Standard_DS1_v2}\n"
    )
    _, deployment = read_sources([str(tmp_path)], ["deployments[0].instance_count=2"])
    assert deployment.fields["instance_count"] == 2
