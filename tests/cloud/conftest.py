"""Servers that stand in for Azure, for one installation of the app on them."""

import importlib.util
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pyarrow
import pytest

from tests.servers.__main__ import service_bus, settings_of
from tests.servers.processes import BlobServer, CosmosServer
from tests.servers.required import without

_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="module")
def installation(
    cosmos_server: CosmosServer,
    blob_server: BlobServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """What hosts must be told to share one set of stores, empty at first. A message that a
    killed host had in hand comes again after 3 s, and what is left undone is looked for every
    second; a marker alone seals a drop. Their scripts meet the tests in one folder."""
    meeting = tmp_path_factory.mktemp("meeting")
    meeting.chmod(0o777)
    if importlib.util.find_spec("proton") is None:
        without("python-qpid-proton is not installed (`make test` installs it)")
    with service_bus("--lock-duration", "3") as bus:
        yield {
            **settings_of(cosmos_server, blob_server, bus),
            "ML_ENDPOINTS_COSMOS_DATABASE": f"installation-{next(_numbers)}",
            "ML_ENDPOINTS_SWEEP_SCHEDULE": "* * * * * *",
            "ML_ENDPOINTS_RESTORE_SCHEDULE": "* * * * * *",
            "ML_ENDPOINTS_WORKER_IDLE_TIME": "1",
            "ML_ENDPOINTS_DROP_QUIET_PERIOD": "3600",
            "ML_ENDPOINTS_SCRIPT_WRITABLE": str(meeting),
            "ML_ENDPOINTS_SCRIPT_READABLE": str(Path(pyarrow.__file__).parents[1]),
        }
