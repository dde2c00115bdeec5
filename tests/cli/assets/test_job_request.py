"""What a batch job is invoked with, from flags and YAML."""

from pathlib import Path
from typing import Any

import pytest

from cli.assets.job_request import put_pairs, request
from cli.failures import UsageFailed
from cli.host.arm import Arm
from cli.host.contexts import Context

FILES = "azureml://datastores/mine/paths/in"


@pytest.fixture
def arm() -> Arm:
    """Of a host that nothing is asked of: what is remote is named as it stands."""
    return Arm(Context("nowhere", "https://host.example", "/subscriptions/s", {}))


def test_names_are_as_rest_has_them_but_for_those_of_the_user(arm: Arm, tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "inputs": {
            "data": {"path": FILES, "include": ["*.csv"]},
            "plain": FILES,
            "file": {"type": "uri_file", "path": f"{FILES}/a.csv"},
        },
        "outputs": {"score": {"type": "uri_file", "path": f"{FILES}/out.csv"}},
        "output_file_name": "mine.csv",
        "resources": {"instance_count": 2},
        "retry_settings": {"max_retries": 1, "timeout": 30},
        "environment_variables": {"MY_limit": "1"},
    }
    assert request(arm, document, tmp_path) == {
        "InputData": {
            "data": {"JobInputType": "UriFolder", "Uri": FILES, "include": ["*.csv"]},
            "plain": {"JobInputType": "UriFolder", "Uri": FILES},
            "file": {"JobInputType": "UriFile", "Uri": f"{FILES}/a.csv"},
        },
        "OutputData": {"score": {"JobOutputType": "UriFile", "Uri": f"{FILES}/out.csv"}},
        "outputFileName": "mine.csv",
        "compute": {"instanceCount": 2},
        "retrySettings": {"maxRetries": 1, "timeout": "PT30S"},
        "environmentVariables": {"MY_limit": "1"},
    }


def test_pairs_say_a_path_or_each_field(arm: Arm, tmp_path: Path) -> None:
    document: dict[str, Any] = {}
    put_pairs(document, "inputs", [f"a={FILES}", "b.type=uri_file", f"b.path={FILES}/b"])
    assert document["inputs"] == {
        "a": {"path": FILES},
        "b": {"type": "uri_file", "path": f"{FILES}/b"},
    }
    with pytest.raises(UsageFailed, match="NAME=PATH"):
        put_pairs(document, "inputs", ["a"])


def test_every_fault_is_told_and_of_literals_what_to_do(arm: Arm, tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "inputs": {
            "limit": 0.5,
            "mode": {"type": "string", "default": "fast"},
            "table": {"type": "mltable", "path": FILES},
            "none": {"type": "uri_file"},
        },
        "outputs": {"score": {"type": "uri_file"}},
    }
    with pytest.raises(UsageFailed) as refused:
        request(arm, document, tmp_path)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == [
        "outputs.score",
        "inputs.limit",
        "inputs.mode",
        "inputs.table",
        "inputs.none",
    ]
    assert "an environment variable of the job says" in refused.value.faults[1]
