"""Having the compute follow the count that is stored of a deployment."""

from dataclasses import dataclass
from typing import final

from domain.ground.provisioning_state import ProvisioningState
from domain.online.deployment_checks import DeploymentRoom
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.online_kind import OnlineKind
from domain.online.online_workloads import OnlineWorkloads
from domain.ports import Serving, ServingObservation
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.place import Place


@dataclass(frozen=True)
class Room:
    """For `instances`; `why` not for more, where that is less than was asked for."""

    instances: int
    why: str | None = None


@final
class ScaleFollowing:
    def __init__(
        self,
        documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
        kind: OnlineKind,
        workloads: OnlineWorkloads,
        serving: Serving,
        room: DeploymentRoom,
    ) -> None:
        self._documents = documents
        self._kind = kind
        self._workloads = workloads
        self._serving = serving
        self._room = room

    async def room_for(self, endpoint: str, name: str, least: int, most: int) -> Room:
        """Which count between these there is room for, as far as the compute can tell before."""
        document = await self._documents.find(Place(endpoint, name))
        if document is None:
            return Room(most)
        deployment = self._documents.types.deployment(document)
        why = self._room.lacking(deployment, most)
        if why is None:
            return Room(most)
        counts = range(most - 1, least, -1)
        fits = (count for count in counts if self._room.lacking(deployment, count) is None)
        return Room(next(fits, least), why)

    async def bring_to_scale(self, endpoint: str, name: str) -> ServingObservation | None:
        """Have the compute work towards the count that is stored; None where the deployment
        runs nothing (it has failed, or is on its way out)."""
        document = await self._documents.find(Place(endpoint, name))
        if document is None:
            return None
        deployment: OnlineDeployment | None = self._documents.types.deployment(document)
        if deployment is not None and deployment.provisioning_state is ProvisioningState.FAILED:
            deployment = self._kind.before_failure(deployment)
        if deployment is None or deployment.provisioning_state is ProvisioningState.DELETING:
            return None
        return await self._serving.ensure(await self._workloads.of(deployment))
