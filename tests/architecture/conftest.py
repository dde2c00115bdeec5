import gc
from collections.abc import Iterator

import pytest

from tests.architecture import house


@pytest.fixture(scope="package", autouse=True)
def _parsed_once_and_let_go() -> Iterator[None]:
    """Every module of the house, parsed, is a large heap: tests would pay for it at each
    collection of garbage, these and those that come after in this process."""
    gc.disable()
    yield
    house.let_go()
    gc.enable()
