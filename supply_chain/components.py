"""The packages that the application runs on, wherever it runs, as uv.lock has them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_UV = Path(sys.executable).with_name("uv")
_LIMIT = 120.0


def bill(folder: Path = ROOT) -> dict[str, Any]:
    """uv's own bill of materials (CycloneDX 1.5), with the extras that a host runs on, and without
    development groups. It asks no network."""
    done = subprocess.run(
        [
            *(_UV, "export", "--frozen", "--extra", "host", "--extra", "azure"),
            "--no-default-groups",
            *("--format", "cyclonedx1.5", "--quiet"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"uv.lock cannot be read:\n{done.stderr.strip()}")
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def names(made: dict[str, Any]) -> list[str]:
    """Of the packages in a bill of materials, each once."""
    return sorted({str(component["name"]) for component in made["components"]})
