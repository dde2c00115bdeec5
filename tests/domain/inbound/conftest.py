from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kit.stages import event_stage
from tests.kit.stages.event_stage import EventStage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[EventStage]:
    async with event_stage.opened(tmp_path) as stage:
        yield stage
