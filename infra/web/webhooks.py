"""The Webhooks port on aiohttp."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from domain.ports import WebhookAnswer, Webhooks, WebhookUnreachable
from infra.web.outbound import AddressRefused, OutboundAddresses, refusal

if TYPE_CHECKING:
    import aiohttp
    import yarl

_LONGEST: Final = 2048
_MAX_HEADER: Final = 1024


class HttpWebhooks(Webhooks):
    """One pool of connections for the process, and one where plain HTTP is allowed, each
    opened at the first use. `timeout` seconds bound a request from its first step to the head
    of its answer."""

    def __init__(self, addresses: OutboundAddresses, *, timeout: float = 10.0) -> None:
        self._addresses = addresses
        self._timeout = timeout
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def fault(self, url: str) -> str | None:
        try:
            self._parsed(url)
        except AddressRefused as refused:
            return str(refused)
        return None

    async def send(
        self, method: Literal["POST", "OPTIONS"], url: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookAnswer:
        import aiohttp

        try:
            # Not only when it was registered: a network may have been taken back since.
            target = self._parsed(url)
            async with self._session(target.scheme).request(
                method, target, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                # The body is not read: leaving the block gives the connection up with it.
                kept = {k.lower(): v[:_MAX_HEADER] for k, v in reversed([*answer.headers.items()])}
                return WebhookAnswer(answer.status, kept)
        except TimeoutError:
            told = f"The webhook did not answer within {self._timeout:g} s."
            raise WebhookUnreachable(told) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise WebhookUnreachable(_told(error)) from error

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def _parsed(self, url: str) -> "yarl.URL":
        if not url.isascii() or any(c in url for c in ' "<>\\^`{|}'):
            raise AddressRefused("A URL has no spaces, quotes or characters beyond ASCII.")
        if "#" in url:
            raise AddressRefused("A URL to call has no fragment.")
        return self._addresses.parsed(url, longest=_LONGEST)

    def _session(self, scheme: str) -> "aiohttp.ClientSession":
        import aiohttp

        found = self._sessions.get(scheme)
        if found is None or found.closed:
            socket = partial(self._addresses.socket, plain=scheme == "http")
            found = self._sessions[scheme] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    socket_factory=socket, limit=100, limit_per_host=16, use_dns_cache=False
                ),
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=self._timeout / 2),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=8190,
                max_field_size=8190,
            )
        return found


def _told(error: Exception) -> str:
    """A reason without addresses: it is shown to whoever may read the subscription."""
    if refused := refusal(error):
        return f"The webhook was not called. {refused}"
    return f"The webhook could not be reached ({type(error).__name__})."
