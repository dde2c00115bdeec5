"""A deployment under a debugger."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.deploying.debugging import under_debugger
from cli.deploying.sources import Source
from cli.failures import UsageFailed

CONDA = "dependencies: [python=3.11, {pip: [numpy]}]\n"


def source(**fields: Any) -> Source:
    code = {"code": {"path": "/home/me/src"}, "scoring_script": "score.py"}
    whole = {"code_configuration": code, "environment": {"conda_file": CONDA}, **fields}
    return Source("online-deployment", "blue", whole, Path("blue.yml"), "sums")


def test_its_script_is_the_one_that_is_edited_and_its_requests_may_stop() -> None:
    fields = under_debugger(source(environment_variables={"A": "b"}), 5678).fields
    assert fields["environment_variables"] == {
        "A": "b",
        "ML_ENDPOINTS_DEBUGGER": "5678",
        "ML_ENDPOINTS_DEBUGGER_CODE": "/home/me/src",
        "WORKER_COUNT": "1",
    }
    assert fields["request_settings"] == {"request_timeout_ms": 300_000}


def test_debugpy_comes_beside_what_a_conda_file_lists() -> None:
    fields = under_debugger(source(), 5678).fields
    listed = yaml.safe_load(fields["environment"]["conda_file"])["dependencies"]
    assert listed == ["python=3.11", {"pip": ["numpy", "debugpy"]}]


@pytest.mark.parametrize(
    "environment",
    ["azureml:own:1", {"conda_file": "dependencies: [python=3.11, {pip: [debugpy==1.8.1]}]\n"}],
)
def test_an_environment_that_says_itself_what_it_has_stays(environment: Any) -> None:
    fields = under_debugger(source(environment=environment), 5678).fields
    assert fields["environment"] == environment


def test_without_a_script_of_this_machine_there_is_nothing_to_debug() -> None:
    with pytest.raises(UsageFailed, match="no scoring script"):
        under_debugger(source(code_configuration=None), 5678)
