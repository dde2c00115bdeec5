"""Container Apps on this machine: the stand-in for Azure Resource Manager over a real engine, with
a registry."""

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.kit.clusters.cluster_images import BaseRegistry, base_registry
from tests.servers.arm.engine_runs import EngineRuns
from tests.servers.arm.records import Environment
from tests.servers.arm.registry_runs import EngineBuilds
from tests.servers.arm.stand_in import SUBSCRIPTION, StandIn
from tests.servers.engine.dockerd import EngineApi
from tests.servers.engine.given import given_engine

_IDENTITIES: Final = (
    f"{SUBSCRIPTION}/resourceGroups/models/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities"
)
PULLER: Final = f"{_IDENTITIES}/puller"


@dataclass
class AppsStage:
    stand_in: StandIn
    registry: BaseRegistry
    engine: EngineApi
    name: str
    registry_id: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def environment(self, storages: Mapping[str, str] | None = None) -> Environment:
        """Another one, in a network of its own, whose apps may mount these folders by name."""
        name = f"{self.name}-{next(self.numbers)}"
        self.engine.do("POST", "networks/create", {"Name": name, "CheckDuplicate": True})
        return self.stand_in.environment(network=name, storages=storages)

    def gateway(self, environment: Environment) -> str:
        """This machine's address in its network."""
        status, content = self.engine.ask("GET", f"networks/{environment.network}")
        assert status == 200, content
        return str(json.loads(content)["IPAM"]["Config"][0]["Gateway"])


@contextmanager
def apps_stage(folder: Path) -> Iterator[AppsStage]:
    engine = given_engine()
    name = f"arm-{folder.stat().st_ino:x}"
    with base_registry(folder / "base") as registry:
        runs = EngineRuns(engine, name, folder / "volumes", {PULLER.casefold()})
        with StandIn(runs, EngineBuilds(engine), folder) as stand_in:
            stand_in.manager.identities.add(PULLER.casefold())
            stage = AppsStage(
                stand_in, registry, engine, name, stand_in.registry(registry.registry.host)
            )
            try:
                yield stage
            finally:
                for app in list(stand_in.manager.apps.values()):
                    runs.end(app)
                runs.close()
                for number in range(next(stage.numbers)):
                    engine.ask("DELETE", f"networks/{name}-{number}")
