"""Which lines of a log are asked for."""

from argparse import Namespace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.commands.daily.logs import asked
from cli.failures import UsageFailed


def flags(**said: Any) -> Namespace:
    usual = dict.fromkeys(("since", "level", "instance", "request", "grep"))
    return Namespace(container="inference-server", lines=10, **{**usual, **said})


def test_what_is_not_said_is_not_asked() -> None:
    assert asked(flags()) == {"containerType": "InferenceServer", "tail": 10}
    said = asked(flags(level="warning", request="r", grep="x", instance="blue-0"))
    assert (said["level"], said["requestId"], said["contains"]) == ("Warning", "r", "x")


@pytest.mark.parametrize("since", ["15m", "PT15M", "900s"])
def test_how_long_ago_is_a_time(since: str) -> None:
    found = datetime.fromisoformat(asked(flags(since=since))["since"])
    ago = datetime.now(UTC) - found
    assert timedelta(minutes=15) <= ago < timedelta(minutes=20)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(UsageFailed, match="neither"):
        asked(flags(since="yesterday"))
