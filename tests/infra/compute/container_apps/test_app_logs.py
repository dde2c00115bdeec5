"""What apps that are gone have printed, from a stand-in for Log Analytics."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.ground.logs.log_lines import parsed
from infra.compute.container_apps.app_logs import AnalyticsAppLogs
from infra.telemetry.log_analytics import LogAnalytics
from tests.kit.apps.scripted_apps import GivenToken, StandingClock
from tests.kit.clocks import START
from tests.servers.log_analytics.stand_in import (
    TOKEN,
    WORKSPACE,
    Fault,
    LogAnalyticsStandIn,
    standing_in,
)

NAMES = {"ml-one": "blue-1-0.0", "ml-two": "blue-1-1.0"}
CONSOLE = "ContainerAppConsoleLogs"


class Place:
    def __init__(self, stand_in: LogAnalyticsStandIn) -> None:
        self.stand_in = stand_in
        self.clock = StandingClock()
        self.analytics = LogAnalytics(stand_in.url, WORKSPACE, GivenToken(TOKEN))
        self.logs = AnalyticsAppLogs(self.analytics, self.clock)

    def printed(self, app: str, text: str, at: float) -> None:
        when = START + timedelta(seconds=at)
        self.stand_in.has(CONSOLE, when, ContainerAppName=app, ContainerName="agent", Log=text)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with standing_in() as stand_in:
        place = Place(stand_in)
        yield place
        await place.analytics.close()


async def test_lines_are_as_those_of_nodes_that_answer(place: Place) -> None:
    place.printed("ml-two", "ERROR second", 2)
    place.printed("ml-one", "first", 1.5)
    place.printed("ml-other", "of another deployment", 3)
    lines = await place.logs.printed(NAMES, tail=10)
    assert lines == [
        "2026-01-02T00:00:01.500Z blue-1-0.0 - first",
        "2026-01-02T00:00:02.000Z blue-1-1.0 - ERROR second",
    ]
    [first, second] = parsed(lines)
    assert (first.process, first.text) == ("blue-1-0.0", "first")
    assert (second.process, second.level.value) == ("blue-1-1.0", "Error")
    assert await place.logs.printed(NAMES, tail=1) == lines[1:]


async def test_what_befell_them_is_told_with_its_name(place: Place) -> None:
    told = {"Reason": "BackOff", "Log": "Back-off pulling image"}
    place.stand_in.has("ContainerAppSystemLogs", START, ContainerAppName="ml-one", **told)
    events = await place.logs.events(NAMES, tail=10)
    assert events == ["2026-01-02T00:00:00.000Z blue-1-0.0 BackOff: Back-off pulling image"]


async def test_however_many_read_a_workspace_is_asked_once_in_half_a_minute(place: Place) -> None:
    place.printed("ml-one", "first", 1)
    assert len(await place.logs.printed(NAMES, tail=10)) == 1
    place.printed("ml-one", "second", 2)
    assert len(await place.logs.printed(NAMES, tail=10)) == 1
    place.clock.at += 30
    assert len(await place.logs.printed(NAMES, tail=10)) == 2
    assert len(place.stand_in.queries) == 2


async def test_without_an_answer_the_lines_are_left_out_and_why_stands_in_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.printed("ml-one", "first", 1)
    place.stand_in.faults.append(Fault(429, "ThrottledError"))
    assert await place.logs.printed(NAMES, tail=10) == []
    assert "asked too often" in caplog.text
    assert await place.logs.printed(NAMES, tail=10) == []
    assert len(place.stand_in.queries) == 1, "not asked again at once"


async def test_of_nobody_and_for_no_lines_nothing_is_asked(place: Place) -> None:
    assert await place.logs.printed({}, tail=10) == []
    assert await place.logs.printed(NAMES, tail=0) == []
    assert place.stand_in.queries == []
