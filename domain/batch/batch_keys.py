"""Keys for the callers of batch endpoints: they invoke, and see and cancel that endpoint's own
jobs."""

from datetime import datetime
from typing import Final, final

from domain.batch.batch_deployment import BatchDeployment, BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpoint, BatchEndpointProperties
from domain.errors import Invalid, NotFound
from domain.ground.access import AuthMode
from domain.ground.keys import Keys, KeyType, SealedKeys, key_fault, slot
from domain.ground.operation import OperationKind
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Accepted
from domain.ports import Cipher, Principal
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.provisioning import Provisioning

KEYS_ROLES: Final = frozenset({"reader/data", "reader/datastores"})
"""What whoever holds a key may name as a job's input. Outputs lie where the endpoint's do."""

BatchProvisioning = Provisioning[
    BatchEndpoint, BatchEndpointProperties, BatchDeployment, BatchDeploymentProperties
]


@final
class BatchKeys:
    """Shows keys, replaces them one at a time, and knows who has one."""

    def __init__(
        self,
        documents: EndpointDocuments[BatchEndpoint, BatchDeployment],
        provisioning: BatchProvisioning,
        cipher: Cipher,
    ) -> None:
        self._documents = documents
        self._provisioning = provisioning
        self._cipher = cipher

    async def keys(self, endpoint: str) -> Keys:
        """Both keys, plain. Raises Invalid in another auth mode."""
        stored = await self._documents.endpoint(endpoint)
        return _sealed(stored.resource, "listKeys").open(self._cipher)

    async def regenerate_key(
        self, endpoint: str, which: KeyType, value: str | None, caller: str
    ) -> Accepted[BatchEndpoint]:
        """Replace one key by `value`, or by a random one. The old one is refused from now on.
        Raises Conflict while an operation runs, Invalid in another auth mode."""
        if value is not None and (fault := key_fault(value)):
            raise Invalid(fault, target="keyValue")

        def regenerated(old: BatchEndpoint, now: datetime) -> BatchEndpoint:
            keys = _sealed(old, "regenerateKeys").regenerated(which, self._cipher, value)
            return old.but(sealed_keys=keys)

        return await self._provisioning.change_endpoint(
            endpoint, OperationKind.REGENERATE_KEYS, regenerated, caller
        )

    async def holder(self, endpoint: str, key: bytes) -> Principal | None:
        """Whoever holds `key`, if it is one of the endpoint's as they are now."""
        try:
            found = (await self._documents.endpoint(endpoint)).resource
        except NotFound:
            return None
        if found.sealed_keys is None or found.provisioning_state is ProvisioningState.DELETING:
            return None
        which = slot(key, found.sealed_keys.digests)
        return None if which is None else Principal(f"key:{which.value.lower()}", KEYS_ROLES)


def _sealed(endpoint: BatchEndpoint, action: str) -> SealedKeys:
    mode = endpoint.properties.auth_mode
    if mode is not AuthMode.KEY or endpoint.sealed_keys is None:
        raise Invalid(
            f"{action} is for authMode Key; batch endpoint '{endpoint.name}' has {mode}.",
            target="properties.authMode",
        )
    return endpoint.sealed_keys
