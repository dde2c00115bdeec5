"""Links that owners hand to people who have no account elsewhere and no command line: each signs
one browser in to the studio, once, as a client."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final, NoReturn, final

from domain.errors import (
    Conflict,
    DocumentNotFound,
    NotFound,
    StaleETag,
    Unauthenticated,
    Unsupported,
)
from domain.identities.sign_in_link import (
    KIND,
    PARTITION,
    LinkProperties,
    LinkState,
    SignInLink,
    digest,
)
from domain.ports import (
    Clients,
    Clock,
    Create,
    Delete,
    Document,
    RegisteredClient,
    Replace,
    ResourceStore,
    SignedIn,
    all_documents,
)

MOST: Final = 20
"""Of one client at a time, unused or signed in."""
TOKEN_LIFETIME: Final = timedelta(minutes=5)
"""What a session's end may take to be felt: the page asks for another token before it is over."""
_NO_GOOD: Final = "This sign-in link is no good. Ask an owner for another."
_OVER: Final = "Nobody is signed in here, or no longer. Ask an owner for another link."


@dataclass(frozen=True)
class MadeLink:
    """`code` is told this once, and kept nowhere as it is."""

    link: SignInLink
    code: str


@dataclass(frozen=True)
class SeenLink:
    link: SignInLink
    state: LinkState


@dataclass(frozen=True)
class LinkSession:
    """What one browser is known by from here on: both are needed, and told this once."""

    cookie: str
    secret: str
    ends: float
    client: str


@final
class SignInLinks:
    """Of clients of this installation's own issuer; with another every call raises Unsupported."""

    def __init__(self, store: ResourceStore, clients: Clients, clock: Clock) -> None:
        self._store = store
        self._clients = clients
        self._clock = clock

    @property
    def offered(self) -> bool:
        return self._clients.token_path is not None

    async def make(self, client: str, wanted: LinkProperties, caller: str) -> MadeLink:
        """Raises NotFound for a client that is none, and Conflict when it has too many."""
        self._check_offered()
        known, now = await self._clients.get(client), self._clock.now()
        await self._sweep(now)
        live = [each for each in await self.list(client) if each.state is not LinkState.ENDED]
        if len(live) >= MOST:
            raise Conflict(
                f"Client '{client[:64]}' has {MOST} links that are open or signed in. Revoke some.",
                code="TooManySignInLinks",
            )
        id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        link = SignInLink(
            id=id,
            client=known.name,
            version=known.etag,
            created_by=caller,
            created_at=now,
            expires_at=now + wanted.expires_in,
            session_length=wanted.session_length,
            code_hash=digest(secret),
        )
        life = int(wanted.expires_in.total_seconds())
        await self._store.transact(PARTITION, [Create(id, _body(link), ttl=life)])
        return MadeLink(link, f"{id}.{secret}")

    async def list(self, client: str) -> Sequence[SeenLink]:
        """Of one client, oldest first. Raises NotFound."""
        self._check_offered()
        known, now = await self._clients.get(client), self._clock.now()
        found = [
            _link(each) async for each in all_documents(self._store, KIND, partition=PARTITION)
        ]
        mine = sorted(
            (each for each in found if each.client == known.name), key=lambda each: each.created_at
        )
        return [SeenLink(link, link.state(now, known.etag)) for link in mine]

    async def revoke(self, client: str, id: str) -> bool:
        """Ends the link, or its session: no token is given for it any more. False if there is
        none."""
        self._check_offered()
        document = await self._find(id)
        if document is None or _link(document).client != client:
            return False
        return await self._delete(id)

    async def redeem(self, code: str, address: str) -> LinkSession:
        """A session for a link that is open; of two that use it at once one is signed in. Raises
        Unauthenticated."""
        self._check_offered()
        document = await self._find(code.partition(".")[0])
        shown = digest(code.partition(".")[2])
        if document is None or not compare_digest(_link(document).code_hash, shown):
            _refuse("LinkUnknown", _NO_GOOD)
        link, now = _link(document), self._clock.now()
        if link.used_at is not None:
            _refuse("LinkUsed", "This sign-in link was used already. Ask an owner for another.")
        if link.state(now, await self._version(link.client)) is not LinkState.OPEN:
            _refuse(
                "LinkExpired",
                "This sign-in link is too old, or what it signs in as has changed since. Ask an "
                "owner for another.",
            )
        cookie, secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        ends = now + link.session_length
        used = link.but(
            used_at=now,
            used_from=address,
            ends_at=ends,
            cookie_hash=digest(cookie),
            secret_hash=digest(secret),
        )
        life = int(link.session_length.total_seconds())
        try:
            replaced = Replace(link.id, _body(used), document.etag, ttl=life)
            await self._store.transact(PARTITION, [replaced])
        except (StaleETag, DocumentNotFound):
            _refuse("LinkUsed", "This sign-in link was used already. Ask an owner for another.")
        return LinkSession(f"{link.id}.{cookie}", secret, ends.timestamp(), link.client)

    async def token(self, cookie: str, secret: str) -> SignedIn:
        """For the page of a session, by both of its secrets. Raises Unauthenticated."""
        self._check_offered()
        link = await self._session(cookie, secret)
        client = await self._client(link.client)
        if client is None or link.state(self._clock.now(), client.etag) is not LinkState.SIGNED_IN:
            _refuse("SignedOut", _OVER)
        return await self._clients.token(client, TOKEN_LIFETIME)

    async def end(self, cookie: str, secret: str) -> None:
        """The session, by whoever is signed in. Raises Unauthenticated."""
        self._check_offered()
        await self._delete((await self._session(cookie, secret)).id)

    async def _session(self, cookie: str, secret: str) -> SignInLink:
        id, _, value = cookie.partition(".")
        document = await self._find(id)
        link = _link(document) if document is not None else None
        if (
            link is None
            or not compare_digest(link.cookie_hash, digest(value))
            or not compare_digest(link.secret_hash, digest(secret))
        ):
            _refuse("SignedOut", _OVER)
        return link

    async def _version(self, client: str) -> str | None:
        known = await self._client(client)
        return known.etag if known is not None else None

    async def _client(self, name: str) -> RegisteredClient | None:
        try:
            return await self._clients.get(name)
        except NotFound:
            return None

    async def _sweep(self, now: datetime) -> None:
        """Whatever can sign nobody in any more."""
        async for document in all_documents(self._store, KIND, partition=PARTITION):
            link = _link(document)
            if link.state(now, await self._version(link.client)) is LinkState.ENDED:
                await self._delete(link.id)

    async def _find(self, id: str) -> Document | None:
        if not (id.isascii() and id.isalnum()):
            return None
        try:
            return await self._store.get(PARTITION, id[:64])
        except DocumentNotFound:
            return None

    async def _delete(self, id: str) -> bool:
        try:
            await self._store.transact(PARTITION, [Delete(id)])
        except DocumentNotFound:
            return False
        return True

    def _check_offered(self) -> None:
        if not self.offered:
            raise Unsupported(
                "Tokens come from another issuer here: people sign in to the studio with its "
                "accounts (docs/studio.md)."
            )


def _body(link: SignInLink) -> dict[str, object]:
    return {"kind": KIND, "link": link.to_document()}


def _link(document: Document) -> SignInLink:
    return SignInLink.from_document(document.body["link"])


def _refuse(code: str, message: str) -> NoReturn:
    raise Unauthenticated(message, code=code)
