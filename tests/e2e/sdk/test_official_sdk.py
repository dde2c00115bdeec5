"""The official SDK, as Microsoft publishes it, against a running host: every operation that
docs/azure-ai-ml.md says to work, in an environment that has nothing but it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from outside.running_host import ROOT, RunningHost

ASKED: Final = "SDK_TESTS"
STEPS: Final = ROOT / "outside" / "official_sdk"
PARTS: Final = ("workspace", "assets", "online", "batch", "schedules")


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the SDK, made from a package index at its first use."""
    if not os.environ.get(ASKED):
        pytest.skip(f"the official SDK (58 MB) is tried where {ASKED}=1 asks for it, as CI does")
    uv = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
    folder = tmp_path_factory.mktemp("official-sdk") / "venv"
    found = folder / "bin" / "python"
    listed = ["-r", str(STEPS / "requirements.txt")]
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(found), *listed],
    ):
        subprocess.run([uv, *command], check=True)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_step_of_the_official_sdk_is_done(
    part: str, host: RunningHost, python: Path, tmp_path: Path
) -> None:
    steps = (STEPS / f"{part}.py").read_text().count("\n@step\n")
    told = played(part, host, python, tmp_path)
    assert len(told) == steps > 0
    failed = [
        f"{step['step']}: {step['error']}\n{step['where']}" for step in told if "error" in step
    ]
    assert not failed, "\n".join(failed)


def played(part: str, host: RunningHost, python: Path, folder: Path) -> list[dict[str, Any]]:
    """What each step said of itself."""
    variables = {
        **os.environ,
        "AZUREML_DEV_URL_MFE": host.url,
        "REQUESTS_CA_BUNDLE": host.connection["ca_file"],
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [python, "-m", f"outside.official_sdk.{part}", host.connection_file, folder],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
