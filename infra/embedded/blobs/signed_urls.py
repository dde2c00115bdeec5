"""URLs that carry their own permission, in the manner of Azure's shared access signatures.

    {base_url}/blobs/{container}[/{name}]?sv=1&sr=b|c&sp=rwdl&se=2030-01-01T00:00:00Z&si=...&sig=...

`sr=b` is for one blob, `sr=c` for every blob of the container. `si` is the URL's own id, by which
it can be taken back; v0.1.0 made URLs without one.
"""

import base64
import functools
import hmac
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from domain import errors
from domain.assets.datastore import DEFAULT
from domain.ports import Permission
from infra.embedded.blobs.revocations import Revocations
from infra.rules import blob_urls

_VERSION = "1"
_ORDER = (Permission.READ, Permission.WRITE, Permission.DELETE, Permission.LIST)
CHANGES = (Permission.WRITE, Permission.DELETE)
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_PORTS = {"http": 80, "https": 443}


class SignedUrls:
    """Makes and checks URLs under `base_url` with `key`, or the key that it returns when one
    is first needed. `now` is aware."""

    def __init__(
        self,
        base_url: str,
        key: bytes | Callable[[], bytes],
        *,
        now: Callable[[], datetime],
        revocations: Revocations,
    ) -> None:
        self.revocations = revocations
        self.base_url = base_url.rstrip("/")
        self._blobs_url = f"{self.base_url}/blobs"
        self._key: Callable[[], bytes] = functools.cache(
            lambda: key if isinstance(key, bytes) else key()
        )
        self._now = now

    def below(self, base_url: str) -> "SignedUrls":
        """The same, for who reaches the door by another address."""
        return SignedUrls(base_url, self._key, now=self._now, revocations=self.revocations)

    def url(self, container: str, name: str | None = None) -> str:
        return blob_urls.plain(self._blobs_url, container, name)

    def locate(self, url: str) -> tuple[str, str] | None:
        """Container and name of a URL that `url` made, or of what Azure's clients make of it;
        None for any other."""
        below = None
        if url.startswith(azure := f"{self._blobs_url}.blob."):
            below = url.removeprefix(azure).partition("/")[2]
        elif url.startswith(bare := f"{self._blobs_url.removesuffix('/blobs')}/{DEFAULT}/"):
            # Of a build context it keeps the host and the container alone.
            below = f"{DEFAULT}/{url.removeprefix(bare)}"
        plain = url if below is None else f"{self._blobs_url}/{below}"
        return blob_urls.located(self._blobs_url, plain)

    def sign(
        self,
        container: str,
        name: str | None,
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> str:
        return self._signed([(container, name)], permissions, expires_in)[0]

    def sign_each(
        self,
        blobs: Sequence[tuple[str, str]],
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> list[str]:
        """Each by itself, with one id: they are taken back together."""
        return self._signed(blobs, permissions, expires_in) if blobs else []

    def _signed(
        self,
        blobs: Sequence[tuple[str, str | None]],
        permissions: frozenset[Permission],
        expires_in: timedelta,
    ) -> list[str]:
        """All blobs, or all containers."""
        seconds = math.ceil((self._now() + expires_in).timestamp())
        query = {
            "sv": _VERSION,
            "sr": "c" if blobs[0][1] is None else "b",
            "sp": "".join(permission for permission in _ORDER if permission in permissions),
            "se": _written(seconds),
            "si": secrets.token_urlsafe(12),
        }
        pairs = "&".join(f"{field}={_quoted(value)}" for field, value in query.items())
        meant = _meant(query)
        return [
            f"{self.url(*blob)}?{pairs}&sig={_quoted(self._signature(*blob, meant))}"
            for blob in blobs
        ]

    def verify(
        self,
        permission: Permission | None,
        container: str,
        name: str | None,
        query: Mapping[str, str],
    ) -> None:
        """Return if `query` permits this; `name` is None for the container itself, and
        `permission` for what any true signature may do. Raises Forbidden with the reason;
        only to a holder of a true signature is more said than that it is not one. Whether what
        writes may still do so when it is done is for `revocations` to say then."""
        signed_name = None if query.get("sr") == "c" else name
        given = query.get("sig", "").encode("utf-8", "surrogatepass")
        wanted = self._signature(container, signed_name, _meant(query)).encode()
        if not hmac.compare_digest(given, wanted):
            raise errors.Forbidden(
                "The URL's signature is missing or does not fit it.", code="InvalidSignature"
            )
        expires = _read(query["se"])
        if self._now() >= expires:
            raise errors.Forbidden(f"The URL expired at {query['se']}.", code="ExpiredSignature")
        self.revocations.check(query.get("si", ""))
        if permission is not None and permission.value not in query["sp"]:
            raise errors.Forbidden(
                f"The URL permits {query['sp']!r}; this needs {permission.value!r}.",
                code="AuthorizationPermissionMismatch",
            )
        if permission in CHANGES:
            self.revocations.check_open(container)

    def _signature(self, container: str, name: str | None, meant: str) -> str:
        # A name has no line feed, and its absence shows, so no two meanings share a text.
        message = f"{meant}\n{container}\n{'c' if name is None else f'b{name}'}"
        digest = hmac.digest(self._key(), message.encode("utf-8", "surrogatepass"), "sha256")
        return base64.b64encode(digest).decode("ascii")


def _meant(query: Mapping[str, str]) -> str:
    """What a signature says of any blob, as a text."""
    parts = [query.get(field, "") for field in ("sv", "sr", "sp", "se")]
    parts += [f"i{query['si']}"] if query.get("si") else []
    return "\n".join(parts)


@functools.lru_cache(64)
def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


@functools.lru_cache(64)
def _read(time: str) -> datetime:
    return datetime.strptime(time, _TIME).replace(tzinfo=UTC)


def _quoted(value: str) -> str:
    """Of what a URL's fields have: words, times and base64."""
    quoted = value.replace(":", "%3A").replace("+", "%2B")
    return quoted.replace("/", "%2F").replace("=", "%3D")
