"""Who calls, who may ask for tokens, and secrets at rest."""

from abc import abstractmethod
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True)
class Principal:
    """Who calls: the token's subject and its roles (domain/ground/access.py), until the token
    expires (Unix seconds; None: not known, so that nothing may be remembered). `name` is what the
    issuer calls it, and `version` the state of the client that was given the token; '' where it
    does not say."""

    id: str
    roles: frozenset[str]
    expires_at: float | None = None
    name: str = ""
    version: str = ""


class TokenVerifier(Protocol):
    """Bearer tokens (RFC 6750) from the one trusted issuer."""

    @abstractmethod
    async def verify(self, token: str) -> Principal:
        """Check signature, issuer, audience, expiry, and that `holds`. Raises Unauthenticated,
        and Unavailable while it cannot be told."""

    @property
    def epoch(self) -> int:
        """Another within two seconds after any subject has ceased to hold: what was verified
        before may not be taken on trust any more."""
        return 0

    async def holds(self, subject: str, version: str) -> bool:
        """Whether the subject is still what it was when it was given a token. Raises Unavailable
        while it cannot be told."""
        return True


@dataclass(frozen=True)
class RegisteredClient:
    """`etag` is another with every change of its role or its secret."""

    id: str
    name: str
    role: str
    created_at: datetime
    etag: str


@dataclass(frozen=True)
class NewSecret:
    """What a client logs in with: told once, and kept nowhere as it is."""

    client: RegisteredClient
    secret: str


Check = Callable[[RegisteredClient | None], None]
"""Given a client as it stands, before it is changed; what it raises leaves it as it is."""


class Clients(Protocol):
    """The clients of the issuer whose tokens are taken, by name. What a client was given before
    it was changed or removed is refused within two seconds, by every host.

    Where the issuer is somebody else's, every call raises Unsupported, which says whose."""

    @property
    @abstractmethod
    def token_path(self) -> str | None:
        """Where this host itself gives clients tokens, by OAuth2's client credentials; None where
        they come from elsewhere."""

    @abstractmethod
    async def list(self) -> Sequence[RegisteredClient]:
        """Oldest first."""

    @abstractmethod
    async def get(self, name: str) -> RegisteredClient:
        """Raises NotFound."""

    @abstractmethod
    async def put(self, name: str, role: str, check: Check) -> RegisteredClient | NewSecret:
        """Give a client the role, or make one: then it has a secret. Raises Invalid for a bad name
        or role, and Conflict when it is the last owner that would be none."""

    @abstractmethod
    async def renew_secret(self, name: str) -> NewSecret:
        """The secret before is refused from now on. Raises NotFound."""

    @abstractmethod
    async def remove(self, name: str, check: Check) -> bool:
        """False if there is none. Raises Conflict for the last owner."""

    @abstractmethod
    async def token(self, client: RegisteredClient, lifetime: timedelta) -> "SignedIn":
        """A token of a client as it is known, for the control plane; it ends with the client's next
        change."""


@dataclass(frozen=True)
class SignInBegun:
    """Where a browser is sent to, and what it brings back sealed."""

    url: str
    kept: str


@dataclass(frozen=True)
class SignInAnswer:
    """What the issuer sends a browser back with."""

    state: str
    code: str
    issuer: str = ""
    error: str = ""


@dataclass(frozen=True)
class SignedIn:
    """A bearer token of somebody who has signed in, until `ends` (Unix seconds)."""

    token: str
    ends: float


class SignIns(Protocol):
    """How people with a browser sign in at the issuer whose tokens are taken: OpenID Connect's
    authorization code, with PKCE."""

    @property
    def offered(self) -> bool:
        """Whether they can."""
        return True

    @abstractmethod
    async def begin(self, back: str) -> SignInBegun:
        """Of a browser that is to come back to the address `back`. Raises Unavailable."""

    @abstractmethod
    async def finish(self, kept: str, back: str, answer: SignInAnswer) -> SignedIn:
        """With a token that this installation takes. Raises Unauthenticated for an answer to
        another browser, or to none, and Unavailable."""


class CallerAddresses(Protocol):
    """By what address a caller is known, where proxies stand between."""

    @property
    @abstractmethod
    def has_proxies(self) -> bool:
        """Whether any proxy is believed; without one there is nothing to settle."""

    @abstractmethod
    def settle(self, scope: MutableMapping[str, Any]) -> None:
        """Make `client`, `scheme` and the Host of an ASGI scope the caller's own, where a trusted
        proxy says what they are; `origin` in its `state` is then the address that the caller used,
        if the proxy says. Settling twice changes nothing more."""


class Cipher(Protocol):
    """Secrets at rest. Several keys may open them, of which one seals."""

    @property
    def key_id(self) -> str | None:
        """Names the key that seals now, and tells nothing of it; None where there is no other."""
        return None

    @abstractmethod
    def encrypt(self, plain: str) -> str: ...

    @abstractmethod
    def decrypt(self, sealed: str) -> str:
        """Raises Invalid for what this cipher did not seal."""

    def renewed(self, sealed: str) -> str | None:
        """The same secret, sealed with the key that seals now; None if it is. Raises Invalid."""
        return None
