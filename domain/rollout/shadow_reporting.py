"""The reports on an endpoint's mirrored traffic."""

from domain.ground.resource import from_document
from domain.online import online_deployment
from domain.online.endpoint_changes import EndpointChanges
from domain.online.online_deployment import OnlineDeployment, running_revision
from domain.ports import ResourceStore, all_documents
from domain.rollout import shadow_diff
from domain.rollout.shadow_diff import ShadowReport


class ShadowReporting:
    def __init__(self, store: ResourceStore, changes: EndpointChanges) -> None:
        self._store = store
        self._changes = changes

    async def reports(self, endpoint: str) -> list[ShadowReport]:
        """One for each pair of deployments as they run now, of everything that the gateways
        have stored, a few seconds old. Raises NotFound."""
        _, document = await self._changes.read(endpoint)
        partition = document.partition
        revisions: dict[str, str] = {}
        async for found in all_documents(self._store, online_deployment.KIND, partition=partition):
            deployment = from_document(OnlineDeployment, found)
            revisions[deployment.name.casefold()] = running_revision(deployment)
        return [
            shadow_diff.report(found.body)
            async for found in all_documents(self._store, shadow_diff.KIND, partition=partition)
            if all(
                revisions.get(found.body[side].casefold()) == found.body[f"{side}_revision"]
                for side in ("live", "mirror")
            )
        ]
