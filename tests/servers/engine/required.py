"""Whether tests over containers run, are skipped, or fail for want of an engine."""

import os
from typing import Final, NoReturn

import pytest

ENGINE: Final = "CONTAINER_TESTS_ENGINE"
"""The engine's address: `unix:///path`."""
REQUIRE: Final = "CONTAINER_TESTS_REQUIRED"
"""In CI, where none of them may be skipped."""


def without(reason: str) -> NoReturn:
    """Skip the test, or fail it where containers are required."""
    if os.environ.get(REQUIRE):
        pytest.fail(f"{reason}, and {REQUIRE} is set")
    pytest.skip(reason)
