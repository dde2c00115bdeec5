"""A link that signs a client in to the studio once, and the session that it becomes."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from domain.values import Value

KIND: Final = "signInLink"
PARTITION: Final = "sign-in-links"


class LinkState(StrEnum):
    OPEN = "Open"
    """Nobody has used it."""
    SIGNED_IN = "SignedIn"
    """Its session goes on."""
    ENDED = "Ended"
    """It was not used in time, or its session is over, or the client has changed since."""


class LinkProperties(Value):
    """For how long it may be used, once, and how long that signs in for; ISO 8601 on the wire."""

    expires_in: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=7))] = (
        timedelta(days=1)
    )
    session_length: Annotated[timedelta, Field(ge=timedelta(minutes=5), le=timedelta(days=30))] = (
        timedelta(days=7)
    )


class SignInLink(Value):
    """Its code, and what its session is known by, are kept as hashes: they are random and long.
    `version` is the client's when it was made; with another nothing of it holds."""

    id: str
    client: str
    version: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    session_length: timedelta
    code_hash: str
    used_at: datetime | None = None
    used_from: str = ""
    ends_at: datetime | None = None
    cookie_hash: str = ""
    secret_hash: str = ""

    def state(self, now: datetime, version: str | None) -> LinkState:
        """`version` is the client's as it is now, None where it is gone."""
        if version != self.version or now >= (self.ends_at or self.expires_at):
            return LinkState.ENDED
        return LinkState.OPEN if self.ends_at is None else LinkState.SIGNED_IN


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
