from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.domain.scoring.passing import Stage, opened
from tests.kit.clocks import hold_durations


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with opened(tmp_path, hold_durations(monkeypatch)) as stage:
        yield stage
