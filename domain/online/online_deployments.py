"""Deployments of online endpoints as they are shown: with their scale, and what they print."""

from typing import final

from domain.ground.logs.log_following import Tail
from domain.ground.resource import Stored
from domain.online.deployment_scales import DeploymentScales
from domain.online.online_deployment import OnlineDeployment, workload_key
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import LogKind, Serving
from domain.provisioning.endpoint_documents import EndpointDocuments


@final
class OnlineDeployments:
    def __init__(
        self,
        documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
        scales: DeploymentScales,
        serving: Serving,
    ) -> None:
        self._documents = documents
        self._scales = scales
        self._serving = serving

    async def get(self, endpoint: str, name: str) -> Stored[OnlineDeployment]:
        """Raises NotFound, for the endpoint first."""
        return await self._scaled(await self._documents.deployment(endpoint, name))

    async def list(
        self, endpoint: str, top: int, continuation: str | None = None
    ) -> tuple[list[Stored[OnlineDeployment]], str | None]:
        """Raises NotFound for an endpoint that is not there."""
        page, following = await self._documents.deployments(endpoint, top, continuation)
        return [await self._scaled(stored) for stored in page], following

    async def log(self, endpoint: str, name: str, kind: LogKind) -> Tail:
        """Of what the deployment's instances print, or of how they came about. Raises NotFound."""
        await self._documents.deployment(endpoint, name)
        key = workload_key(endpoint, name)

        async def tail(lines: int) -> str:
            return await self._serving.logs(key, kind, tail=lines)

        return tail

    async def _scaled(self, stored: Stored[OnlineDeployment]) -> Stored[OnlineDeployment]:
        scale = await self._scales.of(stored.resource)
        return Stored(stored.resource.but(scale=scale), stored.etag)
