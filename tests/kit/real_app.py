"""The real app, indexed once in a process of its own."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.kit.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
INDEXING = ROOT / "tests" / "architecture" / "indexing.py"


def run(settings: dict[str, str], folder: str) -> subprocess.CompletedProcess[str]:
    """Import and index the app with `settings` and nothing else, in `folder`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ML_ENDPOINTS_")}
    return subprocess.run(
        # The interpreter writes bytecode at the first import: that is not the app's doing.
        [sys.executable, "-B", "-W", "error", str(INDEXING)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@functools.cache
def indexed() -> dict[str, Any]:
    """What tests/architecture/indexing.py tells of the embedded app."""
    with tempfile.TemporaryDirectory() as folder:
        done = run({"ML_ENDPOINTS_PLATFORM": "embedded"}, folder)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
