"""HTTP as the command line needs it: one kept connection for each host, its own CA, proxies."""

import http.client
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from cli.failures import CommandFailed

_CHUNK = 256 * 1024
_TRIES = 4
_SAFE = ("GET", "HEAD")


class Readable(Protocol):
    """A body that is read as it is sent."""

    def read(self, size: int = -1, /) -> bytes: ...


class Answer:
    """An answer whose head has come. `read` or `pieces` takes its body; the connection serves the
    next request after that. `headers` go by lower-case name."""

    def __init__(
        self, status: int, headers: Mapping[str, str], response: http.client.HTTPResponse
    ) -> None:
        self.status = status
        self.headers = headers
        self._response = response

    def read(self) -> bytes:
        """The whole body. Raises CommandFailed when it breaks off."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises CommandFailed when it breaks off."""
        try:
            while piece := self._response.read1(_CHUNK):
                yield piece
            if self._response.length:
                raise CommandFailed(f"The answer broke off, {self._response.length} bytes short.")
            self._response.read()  # Or the connection takes no further request.
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailed(f"The answer broke off: {error}") from error


class Wire:
    """Sends requests. A GET is sent again when the connection fails; nothing else is. `ca_file`
    alone is trusted for the host at `url`, which has it from there; other names that it leads to
    (scoring URIs of a domain, signed URLs) may have a certificate that this machine trusts."""

    def __init__(self, ca_file: str | None, url: str, *, timeout: float = 300.0) -> None:
        self._ca_file = ca_file
        self._own = urlsplit(url).hostname
        self._timeout = timeout
        self._kept: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._tls: dict[bool, ssl.SSLContext] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Readable | None = None,
        *,
        patient: bool = False,
    ) -> Answer:
        """Send one request. A `patient` GET waits for a host that restarts, a minute at most.
        Raises CommandFailed when there is no answer."""
        parts = urlsplit(url)
        tries = _TRIES if method in _SAFE else 1
        ends = time.monotonic() + 60 if patient and method in _SAFE else 0.0
        wait = 0.1
        while True:
            tries -= 1
            try:
                return self._once(method, parts, headers, body)
            except (OSError, http.client.HTTPException) as error:
                self._drop(parts)
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise _distrusted(url, error) from error
                if tries <= 0 and time.monotonic() > ends:
                    raise _unreachable(url, error) from error
                time.sleep(wait)
                wait = min(wait * 2, 2.0)

    def close(self) -> None:
        """Close what is kept."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def _once(
        self,
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
        body: bytes | Readable | None,
    ) -> Answer:
        key = (parts.scheme, parts.netloc)
        connection = self._kept.get(key)
        if connection is None:
            connection = self._kept[key] = self._opened(parts)
        path = parts.path or "/"
        if parts.query:
            path = f"{path}?{parts.query}"
        if parts.scheme != "https" and connection.host != parts.hostname:
            path = parts.geturl()  # By a proxy, in plain HTTP.
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        lower = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lower, response)

    def _opened(self, parts: SplitResult) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", parts.port
        proxy = _proxy(parts.scheme, host)
        if parts.scheme == "https":
            tls = self._trust(of_host=host == self._own)
            if proxy is None:
                return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=tls)
            through = http.client.HTTPSConnection(
                proxy.hostname or "", proxy.port, timeout=self._timeout, context=tls
            )
            through.set_tunnel(host, port or 443)
            return through
        if proxy is None:
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        return http.client.HTTPConnection(proxy.hostname or "", proxy.port, timeout=self._timeout)

    def _trust(self, *, of_host: bool) -> ssl.SSLContext:
        if of_host not in self._tls:
            try:
                tls = ssl.create_default_context(cafile=self._ca_file)
            except OSError as error:
                raise CommandFailed(f"{self._ca_file} can't be read as CA: {error}") from error
            if not of_host:
                tls.load_default_certs()
            self._tls[of_host] = tls
        return self._tls[of_host]

    def _drop(self, parts: SplitResult) -> None:
        connection = self._kept.pop((parts.scheme, parts.netloc), None)
        if connection is not None:
            connection.close()


def _proxy(scheme: str, host: str) -> SplitResult | None:
    if not any(name.lower() in (f"{scheme}_proxy", "all_proxy") for name in os.environ):
        return None
    # Slow to import, and seldom needed.
    from urllib.request import getproxies, proxy_bypass

    named = getproxies().get(scheme) or getproxies().get("all")
    if not named or proxy_bypass(host):
        return None
    return urlsplit(named if "://" in named else f"http://{named}")


def _distrusted(url: str, error: ssl.SSLCertVerificationError) -> CommandFailed:
    return CommandFailed(
        f"{url.split('?', maxsplit=1)[0]}: its certificate is not trusted: {error.verify_message}.",
        hint="Name the CA that signed it: `mle login --url URL --ca-file FILE`.",
    )


def _unreachable(url: str, error: Exception) -> CommandFailed:
    parts = urlsplit(url)
    return CommandFailed(
        f"{parts.scheme}://{parts.netloc} did not answer: {error or type(error).__name__}",
        hint="Is the host up? `mle doctor` looks at what stands between.",
    )
