"""The official SDK, in an environment of its own that has nothing but it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from outside.running_host import ROOT, RunningHost

_LISTED = ROOT / "outside" / "official_sdk" / "requirements.txt"


def installed(folder: Path) -> Path:
    """The Python of an environment below `folder`, made from a package index."""
    uv = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
    python = folder / "venv" / "bin" / "python"
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        ["pip", "install", "--quiet", "--python", str(python), "-r", str(_LISTED)],
    ):
        subprocess.run([uv, *command], check=True)
    return python


def run(
    python: Path, module: str, host: RunningHost, arguments: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    """One of `outside.official_sdk`, against the host."""
    variables = {
        **os.environ,
        "AZUREML_DEV_URL_MFE": host.url,
        "REQUESTS_CA_BUNDLE": host.connection["ca_file"],
        "COLUMNS": "200",
    }
    return subprocess.run(
        [python, "-m", f"outside.official_sdk.{module}", host.connection_file, *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
