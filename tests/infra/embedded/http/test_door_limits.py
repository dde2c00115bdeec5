"""How many connections are taken, and what is said of it."""

import logging

import pytest

from infra.embedded.http.door_limits import limits_for
from infra.settings.adapters import DoorSettings


@pytest.mark.parametrize(
    ("settings", "level"),
    [(DoorSettings(), logging.INFO), (DoorSettings(connections=16_384), logging.WARNING)],
    ids=["nobody asked", "asked for"],
)
def test_fewer_connections_than_were_asked_for_are_a_warning(
    settings: DoorSettings, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        limits = limits_for(settings, (), lambda wanted: 20_000)
    assert limits.connections == 15_000
    [told] = caplog.records
    assert told.levelno == level
    assert "15000 connections" in told.message
