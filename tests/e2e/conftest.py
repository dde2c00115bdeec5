"""What the end-to-end tests share: the fleet that instances are on, and one host a module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.fleets.chosen import chosen_fleet, chosen_name
from tests.fleets.fleet import Fleet
from tests.kit.waiting import until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.e2e)
            _only_where_it_speaks_of(item)


def _only_where_it_speaks_of(item: pytest.Item) -> None:
    for marker in item.iter_markers("only_processes"):
        if chosen_name() != "processes":
            [reason] = marker.args
            item.add_marker(pytest.mark.skip(reason=f"of local processes alone: {reason}"))


_ROOMY = {"ML_ENDPOINTS_MEMORY_OVERCOMMIT": "1000", "ML_ENDPOINTS_CORE_OVERCOMMIT": "1000"}
"""What a module deploys in all is a matter of its tests, and not of the machine."""


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """Where instances are: hosts are started by it."""
    return chosen_fleet()


@pytest.fixture(scope="module")
def host(
    request: pytest.FixtureRequest, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHost]:
    """A running host with the environment `bare` (Python and nothing else), and the settings
    that the module asks for with HOST_ENVIRONMENT."""
    settings = {**_ROOMY, **getattr(request.module, "HOST_ENVIRONMENT", {})}
    folder = tmp_path_factory.mktemp("host") / "data"
    with fleet.hosting(folder, environment=settings) as host:
        serving.environment(host)
        yield host
        faults = host.faults()
    # What it has ended is there for a moment more on a busy machine.
    until(lambda: not host.processes(), "nothing of the host is left")
    assert not faults, f"the host logged errors: {faults}"
