"""What is made of a workspace's answers, on a strict stand-in for the query API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.errors import Throttled, Unavailable, Unsupported
from infra.telemetry.log_analytics import LogAnalytics, quoted
from tests.kit.apps.scripted_apps import GivenToken
from tests.kit.clocks import START
from tests.servers.log_analytics.stand_in import (
    TOKEN,
    WORKSPACE,
    Fault,
    LogAnalyticsStandIn,
    standing_in,
)

QUERY = "AppTraces\n| project TimeGenerated, Message"


@pytest.fixture
async def stand_in() -> AsyncIterator[LogAnalyticsStandIn]:
    async with standing_in() as stand_in:
        stand_in.has("AppTraces", START, Message='it | is "so"')
        yield stand_in


async def rows(
    stand_in: LogAnalyticsStandIn,
    query: str = QUERY,
    *,
    token: str = TOKEN,
    workspace: str = WORKSPACE,
) -> list[Any]:
    analytics = LogAnalytics(stand_in.url, workspace, GivenToken(token))
    try:
        return list(await analytics.rows(query))
    finally:
        await analytics.close()


async def test_rows_come_by_their_columns(stand_in: LogAnalyticsStandIn) -> None:
    at = "2026-01-02T00:00:00.0000000Z"
    assert await rows(stand_in) == [{"TimeGenerated": at, "Message": 'it | is "so"'}]


@pytest.mark.parametrize(
    "text", ['it | is "so"', "a\\b", "new\nline", "ümlaut 🦉", "x\u2028y\x00z"]
)
async def test_a_text_in_a_query_is_nothing_but_itself(
    stand_in: LogAnalyticsStandIn, text: str
) -> None:
    stand_in.tables["AppTraces"].clear()
    stand_in.has("AppTraces", START, Message=text)
    stand_in.has("AppTraces", START, Message="another")
    found = await rows(stand_in, f"AppTraces\n| where Message == {quoted(text)}")
    assert [each["Message"] for each in found] == [text]


async def test_who_is_asked_too_often_says_for_how_long(stand_in: LogAnalyticsStandIn) -> None:
    stand_in.faults.append(Fault(429, "ThrottledError", headers={"Retry-After": "17"}))
    with pytest.raises(Throttled) as told:
        await rows(stand_in)
    assert told.value.retry_after == 17


async def test_an_answer_in_part_is_none(stand_in: LogAnalyticsStandIn) -> None:
    message = "The results of this query exceed the set limit of 64000000 bytes."
    stand_in.faults.append(
        Fault(code="E_QUERY_RESULT_SET_TOO_LARGE", message=message, partial=True)
    )
    with pytest.raises(Unavailable, match=r"in part alone .*exceed the set limit.*shorter time"):
        await rows(stand_in)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"token": "of somebody else"}, "the role Log Analytics Reader"),
        ({"workspace": "ffffffff-0000-4000-8000-00000000000a"}, "ML_ENDPOINTS_LOG_WORKSPACE"),
        ({"query": "AppTrace"}, "SemanticError: Failed to resolve table"),
    ],
)
async def test_what_is_to_be_done_is_told(
    stand_in: LogAnalyticsStandIn, given: dict[str, str], told: str
) -> None:
    with pytest.raises(Unsupported, match=told):
        await rows(stand_in, **given)


@pytest.mark.parametrize(
    "fault",
    [Fault(504, "GatewayTimeout"), Fault(body=[]), Fault(body={"tables": [{"name": "Other"}]})],
)
async def test_what_is_no_answer_may_pass(stand_in: LogAnalyticsStandIn, fault: Fault) -> None:
    stand_in.faults.append(fault)
    with pytest.raises(Unavailable, match="Log Analytics"):
        await rows(stand_in)
    assert len(await rows(stand_in)) == 1


async def test_a_workspace_that_is_not_reached_and_a_machine_without_an_identity_are_told() -> None:
    away = LogAnalytics("http://127.0.0.1:9", WORKSPACE, GivenToken())
    with pytest.raises(Unavailable, match="cannot be reached"):
        await away.rows(QUERY)
    await away.close()

    class Nobody(GivenToken):
        async def get_token(self, *scopes: str, **more: Any) -> Any:
            raise RuntimeError("this machine has no identity")

    nobody = LogAnalytics("http://127.0.0.1:9", WORKSPACE, Nobody())
    with pytest.raises(Unavailable, match="this machine has no identity"):
        await nobody.rows(QUERY)
    await nobody.close()
