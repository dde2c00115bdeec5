"""Callers that show a token instead of a signed URL: what their roles let them do with blobs."""

from abc import abstractmethod
from dataclasses import replace
from typing import Protocol

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import Login
from domain.errors import Forbidden, Throttled, Unauthenticated
from domain.ground.access import allows, told_roles
from domain.ports import Permission, TokenVerifier
from infra.embedded.blobs.rest.refusals import Refusal
from infra.embedded.blobs.rest.requests import ContainerRequest

_TARGET = "blobs"
_ACTIONS = {
    Permission.READ: "blobs/read",
    Permission.LIST: "blobs/read",
    Permission.WRITE: "blobs/write",
    Permission.DELETE: "blobs/delete",
}
_CHALLENGE = {"www-authenticate": 'Bearer realm="ml-endpoints"'}
_LONGEST = 128


class Bearers(Protocol):
    @abstractmethod
    async def check(
        self, request: ContainerRequest, token: str, permission: Permission | None
    ) -> None:
        """Return if whose token it is may do this in the container; None: read. Raises Refusal, and
        Forbidden."""


class NoBearers(Bearers):
    """Where signed URLs alone are taken."""

    async def check(
        self, request: ContainerRequest, token: str, permission: Permission | None
    ) -> None:
        raise Refusal(403, "AuthenticationFailed", "Nothing but signed URLs is taken here.")


class BlobBearers(Bearers):
    """Tokens of the storage audience. The software's own container is opened by none. Refused
    ones are counted by `door`, as at every other."""

    def __init__(self, verifier: TokenVerifier, door: CredentialDoor) -> None:
        self._verifier = verifier
        self._door = door

    async def check(
        self, request: ContainerRequest, token: str, permission: Permission | None
    ) -> None:
        shown = token.encode(errors="surrogatepass")
        client = request.http.client
        action, address = _ACTIONS[permission or Permission.READ], client.host if client else ""
        login = Login(action, f"containers/{request.container[:_LONGEST]}", address, 401)
        try:
            self._door.check(address, _TARGET, shown)
            principal = await self._verifier.verify(token)
            login = replace(login, caller=principal.id, client=principal.name)
            is_ours = request.container.casefold() == SYSTEM_CONTAINER
            if is_ours or not allows(principal, action, f"containers/{request.container}"):
                raise Forbidden(
                    f"'{principal.name or principal.id}' may not do '{action}' in container "
                    f"'{request.container[:_LONGEST]}' (its roles: {told_roles(principal)}).",
                    code="AuthorizationPermissionMismatch",
                )
        except Throttled as error:
            self._door.refused(_TARGET, replace(login, code=429, error=error.code), credential=b"")
            raise
        except Unauthenticated as error:
            self._door.refused(_TARGET, replace(login, error=error.code), credential=shown)
            raise Refusal(401, "InvalidAuthenticationInfo", error.message, _CHALLENGE) from error
        except Forbidden as error:
            self._door.refused(
                _TARGET, replace(login, code=403, error=error.code), credential=shown
            )
            raise
        self._door.taken(address, _TARGET, shown)
