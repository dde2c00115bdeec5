"""What is made at its first use, and what a host in Azure does not import before."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.startup.cold_import import AZURE
from infra.cloud.late import is_made, late
from tests.kit.real_app import ROOT
from tests.kit.waiting import PATIENCE

SDKS = ("azure.storage", "azure.cosmos", "azure.servicebus", "azure.identity", "aiohttp")
IMPORT = "import json, sys, function_app; print(json.dumps(sorted(sys.modules)))"


class Thing:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.word = "there"


def test_it_is_made_once_and_only_if_it_is_asked_for_something() -> None:
    Thing.made = 0
    first, second = late(Thing), late(Thing)
    assert Thing.made == 0
    assert not is_made(first)
    assert [first.word, first.word] == ["there", "there"]
    assert isinstance(first, Thing)
    assert (Thing.made, is_made(first), is_made(second)) == (1, True, False)
    assert is_made(Thing())


def test_a_host_in_azure_starts_without_any_sdk(tmp_path: Path) -> None:
    """Together they take longer to import than all the rest, and who only scores needs one."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=tmp_path,
        env={**AZURE, "ML_ENDPOINTS_PLATFORM": "azure", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout)
    assert "infra.cloud.services" in modules
    assert [name for name in modules if name.startswith(SDKS)] == []
