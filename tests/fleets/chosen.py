"""The fleet that a run of tests is over: `E2E_FLEET`, or the machine's own processes."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from tests.fleets.docker import DockerContainers
from tests.fleets.fleet import Fleet
from tests.fleets.kubernetes import the_cluster
from tests.fleets.processes import Processes
from tests.servers.engine.given import given_engine

FLEET: Final = "E2E_FLEET"


def _apps() -> Fleet:
    from tests.fleets.apps_in_azure import ENVIRONMENT, AppsInAzure
    from tests.fleets.container_apps import AppContainers, the_stage

    if os.environ.get(ENVIRONMENT):
        return AppsInAzure()
    return AppContainers(the_stage())


def _cluster() -> Fleet:
    from tests.fleets.real_cluster import KUBECONFIG, RealCluster

    return RealCluster() if os.environ.get(KUBECONFIG) else the_cluster()


FLEETS: Final[Mapping[str, Callable[[], Fleet]]] = {
    "processes": Processes,
    "docker": lambda: DockerContainers(given_engine()),
    "container_apps": _apps,
    "kubernetes": _cluster,
}
"""By name. Each skips the test where what it needs is not there, or fails it where that is
required."""


def chosen_name() -> str:
    name = os.environ.get(FLEET) or "processes"
    if name not in FLEETS:
        raise SystemExit(f"{FLEET} is {name!r}, which is none of {', '.join(FLEETS)}")
    return name


def chosen_fleet() -> Fleet:
    return FLEETS[chosen_name()]()
