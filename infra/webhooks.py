"""The Webhooks port on aiohttp."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from domain.ports import WebhookAnswer, Webhooks, WebhookUnreachable

if TYPE_CHECKING:
    import aiohttp

_MAX_HEADER = 1024


class HttpWebhooks(Webhooks):
    """One pool of connections for the process, opened at the first use. `timeout` seconds
    bound a request from its first step to the head of its answer."""

    def __init__(self, *, allow_private: bool, timeout: float = 10.0) -> None:
        self._allow_private = allow_private
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    def fault(self, url: str) -> str | None:
        from infra.outbound_addresses import url_fault

        return url_fault(url, allow_private=self._allow_private)

    async def send(
        self, method: Literal["POST", "OPTIONS"], url: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookAnswer:
        import aiohttp

        # Not only when it was registered: the setting may have been taken back since.
        if fault := self.fault(url):
            raise WebhookUnreachable(fault)
        session = self._opened()
        try:
            async with session.request(
                method, url, headers=headers, data=body or None, allow_redirects=False
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
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> "aiohttp.ClientSession":
        import aiohttp

        from infra.outbound_addresses import GuardedResolver

        if self._session is None or self._session.closed:
            resolver: aiohttp.abc.AbstractResolver = aiohttp.ThreadedResolver()
            if not self._allow_private:
                resolver = GuardedResolver(resolver)
            connector = aiohttp.TCPConnector(
                resolver=resolver, limit=100, limit_per_host=16, use_dns_cache=False
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=5),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=8190,
                max_field_size=8190,
            )
        return self._session


def _told(error: Exception) -> str:
    """A reason without addresses: it is shown to whoever may read the subscription."""
    from infra.outbound_addresses import AddressRefused

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return f"The webhook was not called: {cause}."
        cause = cause.__cause__ or cause.__context__
    return f"The webhook could not be reached ({type(error).__name__})."
