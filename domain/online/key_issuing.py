"""Keys for the callers of online endpoints."""

from datetime import datetime
from typing import final

from domain.errors import Invalid
from domain.ground.access import AuthMode
from domain.ground.keys import Keys, KeyType, key_fault, new_key
from domain.ground.operation import OperationKind
from domain.ground.resource import Accepted
from domain.online.online_deployment import OnlineDeployment, OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.ports import Cipher
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.provisioning import Provisioning

OnlineProvisioning = Provisioning[
    OnlineEndpoint, OnlineEndpointProperties, OnlineDeployment, OnlineDeploymentProperties
]


@final
class KeyIssuing:
    """Shows keys and replaces them, one at a time."""

    def __init__(
        self,
        documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
        provisioning: OnlineProvisioning,
        cipher: Cipher,
    ) -> None:
        self._documents = documents
        self._provisioning = provisioning
        self._cipher = cipher

    async def keys(self, endpoint: str) -> Keys:
        """Both keys, plain. Raises Invalid in another auth mode."""
        stored = await self._documents.endpoint(endpoint)
        _refuse_unless_key(stored.resource, "listKeys")
        return stored.resource.sealed_keys.open(self._cipher)

    async def regenerate_key(
        self, endpoint: str, which: KeyType, value: str | None, caller: str
    ) -> Accepted[OnlineEndpoint]:
        """Replace one key by `value`, or by a random one; also where `value` is the key that
        it is: the official SDK brings that. The old one is refused from now on. In aml_token
        mode the signing key is replaced; the tokens it has signed live on. Raises Conflict while
        an operation runs, Invalid in aad_token mode."""
        if value is not None and (fault := key_fault(value)):
            raise Invalid(fault, target="keyValue")

        def regenerated(old: OnlineEndpoint, now: datetime) -> OnlineEndpoint:
            if old.token_keys is not None and value is None:
                return old.but(token_keys=old.token_keys.rotated(self._cipher, now))
            _refuse_unless_key(old, "regenerateKeys with a keyValue")
            brought = None if old.sealed_keys.is_now(which, value) else value
            keys = old.sealed_keys.regenerated(which, self._cipher, brought or new_key())
            return old.but(sealed_keys=keys)

        return await self._provisioning.change_endpoint(
            endpoint, OperationKind.REGENERATE_KEYS, regenerated, caller
        )


def _refuse_unless_key(endpoint: OnlineEndpoint, action: str) -> None:
    mode = endpoint.properties.auth_mode
    if mode is not AuthMode.KEY:
        raise Invalid(
            f"{action} is for authMode Key; online endpoint '{endpoint.name}' has {mode}.",
            target="properties.authMode",
        )
