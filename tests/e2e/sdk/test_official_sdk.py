"""The official SDK, as Microsoft publishes it, against a running host: every operation that
docs/azure-ai-ml.md says to work, in an environment that has nothing but it."""

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

from outside.running_host import ROOT, RunningHost
from tests.kit.users import official_sdk

ASKED: Final = "SDK_TESTS"
STEPS: Final = ROOT / "outside" / "official_sdk"
PARTS: Final = ("workspace", "assets", "online", "batch", "schedules")


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the SDK, made from a package index at its first use."""
    if not os.environ.get(ASKED):
        pytest.skip(f"the official SDK (58 MB) is tried where {ASKED}=1 asks for it, as CI does")
    return official_sdk.installed(tmp_path_factory.mktemp("official-sdk"))


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
    done = official_sdk.run(python, part, host, [str(folder)])
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
