from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.jobs import batch_progress
from tests.provisioning_stage import ProvisioningStage, opened


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProvisioningStage]:
    async with opened(tmp_path) as stage:
        yield stage


@pytest.fixture
def early_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick units are bundled from the first one on, not once hundreds are recorded: jobs may
    be small."""
    monkeypatch.setattr(batch_progress, "_NOTICED", 1)
