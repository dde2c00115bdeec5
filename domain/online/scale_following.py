"""Having the compute follow the count that is stored of a deployment."""

from typing import final

from domain.ground.provisioning_state import ProvisioningState
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.online_kind import OnlineKind
from domain.online.online_workloads import OnlineWorkloads
from domain.ports import Serving, ServingObservation
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.place import Place


@final
class ScaleFollowing:
    def __init__(
        self,
        documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
        kind: OnlineKind,
        workloads: OnlineWorkloads,
        serving: Serving,
    ) -> None:
        self._documents = documents
        self._kind = kind
        self._workloads = workloads
        self._serving = serving

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
