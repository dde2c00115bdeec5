import pytest

from tests.domain.scoring.passing import Stage
from tests.domain.scoring.taps.tapping import Collector


@pytest.fixture
def collector(stage: Stage) -> Collector:
    collector = Collector()
    stage.tap(collector)
    return collector
