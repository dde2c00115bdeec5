"""Workspace connections on the control plane."""

from domain.assets.packages.connection import (
    KIND,
    MAX_CONNECTIONS,
    MAX_SECRET,
    PARTITION,
    PAT_USER,
    AuthType,
    Connection,
    ConnectionCredentials,
    ConnectionProperties,
)
from domain.assets.packages.index_credentials import sealed
from domain.assets.packages.package_indexes import url_fault
from domain.errors import Detail, refuse
from domain.ground.named_resources import NamedResources
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted
from domain.names import asset_name_fault
from domain.ports import Cipher, Clock, Credentials, Document, ResourceStore

_AT = "properties.credentials"


class Connections:
    """Credentials go in and do not come out: they are sealed, and only a build opens them, for
    the address that they were given for."""

    def __init__(self, store: ResourceStore, cipher: Cipher, clock: Clock, location: str) -> None:
        self._cipher = cipher
        self._clock = clock
        self._location = location
        self.resources = NamedResources(
            store,
            Connection,
            kind=KIND,
            partition=PARTITION,
            noun="Connection",
            name_fault=asset_name_fault,
        )

    async def put(
        self,
        name: str,
        wanted: Wanted[ConnectionProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[Stored[Connection], bool]:
        """Create or change; True says created. Without credentials, those that it has remain, if
        they are for the same target. Raises Invalid with every fault, PreconditionFailed,
        Conflict."""
        document = await self.resources.admit(name, conditions, MAX_CONNECTIONS)
        old = self.resources.of(document) if document else None
        asked = wanted.properties
        kept = asked.but(credentials=None, target=asked.target.rstrip("/"))
        refuse(_faults(asked, remaining=_remaining(old, kept)))
        taken = wanted.taken(kept, caller, self._clock.now())
        given = _given(asked)
        secret, by = (sealed(self._cipher, given), self._cipher.key_id) if given else (None, None)
        if given is None and asked.auth_type is not AuthType.NONE and old is not None:
            secret, by = old.sealed_credentials, old.sealed_by
        taken |= {"sealed_credentials": secret, "sealed_by": by}
        return await self._save(name, old, document, taken)

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """False if it is not there."""
        return await self.resources.delete(name, conditions) is not None

    async def _save(
        self, name: str, old: Connection | None, document: Document | None, taken: dict[str, object]
    ) -> tuple[Stored[Connection], bool]:
        if old is not None:
            return await self.resources.save(old.but(**taken), document), False
        new = Connection(
            name=name,
            location=self._location,
            provisioning_state=ProvisioningState.SUCCEEDED,
            created_at=taken["modified_at"],
            created_by=taken["modified_by"],
            **taken,
        )
        return await self.resources.save(new, None), True


def _remaining(old: Connection | None, kept: ConnectionProperties) -> bool:
    """Whether credentials are there that may go on: given for the same target, in the same way."""
    return (
        old is not None
        and old.sealed_credentials is not None
        and (old.properties.target, old.properties.auth_type) == (kept.target, kept.auth_type)
    )


def _given(asked: ConnectionProperties) -> Credentials | None:
    """Those of `asked`, which has no faults."""
    given = asked.credentials
    if given is None or asked.auth_type is AuthType.NONE:
        return None
    if asked.auth_type is AuthType.PAT:
        return Credentials(PAT_USER, given.pat or "")
    return Credentials(given.username or "", given.password or "")


def _faults(asked: ConnectionProperties, *, remaining: bool) -> list[Detail]:
    faults = []
    if fault := url_fault(asked.target):
        faults.append(
            Detail("InvalidTarget", f"{fault[:1].upper()}{fault[1:]}.", "properties.target")
        )
    if not asked.is_shared_to_all:
        text = "A connection is for the whole workspace here; leave isSharedToAll true."
        faults.append(Detail("NotSupported", text, "properties.isSharedToAll"))
    wanted = {
        AuthType.NONE: (),
        AuthType.PAT: ("pat",),
        AuthType.USERNAME_PASSWORD: ("username", "password"),
    }[asked.auth_type]
    if asked.credentials is not None:
        return faults + _secret_faults(asked.credentials, asked.auth_type, wanted)
    if wanted and not remaining:
        text = (
            f"authType {asked.auth_type} needs credentials with {' and '.join(wanted)}. What a "
            "connection has remains only while its target and authType do."
        )
        faults.append(Detail("CredentialsMissing", text, _AT))
    return faults


def _secret_faults(
    given: ConnectionCredentials, auth_type: AuthType, wanted: tuple[str, ...]
) -> list[Detail]:
    """None of them says what was given."""
    faults = []
    for name in ("pat", "username", "password"):
        value, at = getattr(given, name), f"{_AT}.{name}"
        if value and name not in wanted:
            text = f"authType {auth_type} has no {name}."
            faults.append(Detail("InvalidCredentials", text, at))
        elif name in wanted and not value:
            faults.append(Detail("InvalidCredentials", f"{name} is needed.", at))
        elif value and (len(value) > MAX_SECRET or not value.isprintable()):
            text = f"{name} has at most {MAX_SECRET} characters, all printable."
            faults.append(Detail("InvalidCredentials", text, at))
        elif name == "username" and value and ":" in value:
            faults.append(Detail("InvalidCredentials", "A username has no ':'.", at))
    return faults
