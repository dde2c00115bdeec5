"""Whether the suites ran over Microsoft's own services or emulators."""

import os

import pytest

from tests.contract.service_bus_fixtures import CONNECTION_STRING as SERVICE_BUS
from tests.contract.storage_fixtures import COSMOS, STORAGE


@pytest.mark.cloud
@pytest.mark.parametrize("variable", [COSMOS, STORAGE, SERVICE_BUS])
def test_the_suites_run_over_what_the_environment_names(variable: str) -> None:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is no connection string: the suites ran over loopback servers")
