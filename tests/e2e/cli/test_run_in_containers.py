"""`mle run --image`: one deployment in a container of the image that it has elsewhere."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from infra.compute.docker.labels import KEY
from outside.running_host import ROOT
from tests.servers.engine.dockerd import settings_of
from tests.servers.engine.given import given_engine


@pytest.mark.only_processes("the command starts a host of its own")
def test_a_deployment_is_tried_in_the_image_that_it_has_elsewhere(tmp_path: Path) -> None:
    engine = given_engine()
    told = {**settings_of(engine)}
    del told["ML_ENDPOINTS_COMPUTE"]  # The flag says that.
    environment = {
        **os.environ,
        **told,
        "PYTHONPATH": str(ROOT),
        "MLE_CONFIG_DIR": str(tmp_path / "config"),
    }

    def mle(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    name = f"tried-{uuid4().hex[:12]}"
    assert mle("init", "script", "project", "--name", name).returncode == 0
    ran = mle("run", "project", "--image", "--once", "--data-dir", str(tmp_path / "data"))
    assert ran.returncode == 0, ran.stderr
    assert f"{name}/blue answers at" in ran.stderr
    assert engine.containers(f"{KEY}=online/{name}/blue") == [], "nothing is left behind"
    built = tmp_path / "data" / "compute" / "environments"
    assert not built.exists() or not list(built.iterdir()), "it was built for this machine"
