from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.stages.asset_stage import AssetStage, opened


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[AssetStage]:
    async with opened(tmp_path) as stage:
        yield stage
