from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.stages.provisioning_stage import ProvisioningStage, opened


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProvisioningStage]:
    async with opened(tmp_path) as stage:
        yield stage
