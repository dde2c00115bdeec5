"""Whether a missing server is a reason to skip a test, or to fail it."""

import os
from typing import NoReturn

import pytest

REQUIRE = "CLOUD_TESTS_REQUIRED"


def cloud_is_required() -> bool:
    """In CI, where none of the loopback cloud suites may be skipped."""
    return bool(os.environ.get(REQUIRE))


def without(reason: str) -> NoReturn:
    """Skip the test, or fail it where the cloud suites are required."""
    if cloud_is_required():
        pytest.fail(f"{reason}, and {REQUIRE} is set")
    pytest.skip(reason)
