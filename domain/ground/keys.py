"""The two keys of an endpoint: sealed at rest, compared by digest."""

import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator

from domain.errors import Detail
from domain.ports import Cipher
from domain.values import Value, unsaid

_KEY = re.compile(r"[\x21-\x7e]{16,256}")


class KeyType(StrEnum):
    PRIMARY = "Primary"
    SECONDARY = "Secondary"

    @classmethod
    def _missing_(cls, value: object) -> "KeyType | None":
        return next((k for k in cls if k.value.casefold() == str(value).casefold()), None)


_SLOTS = (None, KeyType.PRIMARY, KeyType.SECONDARY, KeyType.PRIMARY)
"""By whether it is the first of two, the second, or both."""


class Keys(Value):
    """Plain keys, as listKeys answers them."""

    primary_key: str
    secondary_key: str


class SealedKey(Value):
    """`sealed` can be opened by the installation's cipher, whose key it was sealed with says
    `sealed_by`; `digest` is SHA-256, hex."""

    sealed: str
    digest: str
    sealed_by: Annotated[str | None, unsaid(None)] = None

    @classmethod
    def of(cls, key: str, cipher: Cipher) -> Self:
        return cls(
            sealed=cipher.encrypt(key),
            digest=digest(key.encode()).hex(),
            sealed_by=cipher.key_id,
        )


class SealedKeys(Value):
    primary: SealedKey
    secondary: SealedKey

    @property
    def digests(self) -> tuple[bytes, bytes]:
        return bytes.fromhex(self.primary.digest), bytes.fromhex(self.secondary.digest)

    @classmethod
    def generate(
        cls, cipher: Cipher, primary: str | None = None, secondary: str | None = None
    ) -> Self:
        """Fresh random keys, or the given ones."""
        return cls(
            primary=SealedKey.of(primary or new_key(), cipher),
            secondary=SealedKey.of(secondary or new_key(), cipher),
        )

    def regenerated(self, which: KeyType, cipher: Cipher, value: str | None = None) -> Self:
        """One key anew; the other goes on working, so that callers can move over."""
        field = "primary" if which is KeyType.PRIMARY else "secondary"
        return self.but(**{field: SealedKey.of(value or new_key(), cipher)})

    def is_now(self, which: KeyType, value: str | None) -> bool:
        """Whether the key is `value`."""
        now = self.primary if which is KeyType.PRIMARY else self.secondary
        return value is not None and matches(value.encode(), (bytes.fromhex(now.digest),))

    def open(self, cipher: Cipher) -> Keys:
        return Keys(
            primary_key=cipher.decrypt(self.primary.sealed),
            secondary_key=cipher.decrypt(self.secondary.sealed),
        )


def key_fault(key: str) -> str | None:
    """Why a caller's own key will not do, or None: it must fit an Authorization header."""
    if _KEY.fullmatch(key):
        return None
    return "A key is 16 to 256 printable ASCII characters without spaces."


def _usable(key: str) -> str:
    if fault := key_fault(key):
        raise ValueError(fault)
    return key


class EndpointKeys(Value):
    """Keys a caller may bring when it creates an endpoint; never returned here."""

    primary_key: Annotated[str, AfterValidator(_usable)] | None = None
    secondary_key: Annotated[str, AfterValidator(_usable)] | None = None

    def sealed(self, cipher: Cipher) -> SealedKeys:
        """With random ones for those that are not brought."""
        return SealedKeys.generate(cipher, self.primary_key, self.secondary_key)

    def faults(self, sealed: SealedKeys) -> list[Detail]:
        """For an endpoint that has keys: bringing the same ones again changes nothing."""
        pairs = (
            ("primaryKey", self.primary_key, sealed.primary),
            ("secondaryKey", self.secondary_key, sealed.secondary),
        )
        return [
            Detail(
                "BadArgument",
                "The keys of an endpoint that exists are changed by regenerateKeys, one at a time.",
                f"properties.keys.{field}",
            )
            for field, key, now in pairs
            if key is not None and not matches(key.encode(), (bytes.fromhex(now.digest),))
        ]


def new_key() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def digest(key: bytes) -> bytes:
    """Keys are random, so a plain hash is enough and costs a request next to nothing."""
    return hashlib.sha256(key).digest()


def slot(key: bytes, digests: tuple[bytes, bytes]) -> KeyType | None:
    """Which of the two `key` is, in time that does not tell which; None for neither."""
    found = digest(key)
    primary, secondary = digests
    return _SLOTS[hmac.compare_digest(found, primary) + 2 * hmac.compare_digest(found, secondary)]


def matches(key: bytes, digests: tuple[bytes, ...]) -> bool:
    """Whether `key` is one of those digested, in time that does not tell which or where."""
    found = digest(key)
    result = False
    for known in digests:
        result |= hmac.compare_digest(found, known)
    return result
