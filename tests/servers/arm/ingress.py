"""An environment's ingress: TLS, and which app is meant by the name that was asked for."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

from tests.kit.certificates.authority import OwnAuthority
from tests.servers.arm.records import DOMAIN

_NOBODY = (
    b"HTTP/1.1 404 Not Found\r\nserver: envoy\r\ncontent-type: text/html\r\n"
    b"content-length: 18\r\nconnection: close\r\n\r\n<p>No such app</p>"
)
_DOWN = (
    b"HTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\ncontent-type: text/plain\r\n"
    b"content-length: 22\r\nconnection: close\r\n\r\nupstream connect error"
)


class Ingress:
    """`place` is where an app of a name is reached; None where there is none. `moved` is told where
    nobody answers."""

    def __init__(
        self,
        place: Callable[[str], tuple[str, int] | None],
        moved: Callable[[str], None],
        folder: Path,
    ) -> None:
        self._place = place
        self._moved = moved
        self._names: dict[ssl.SSLObject, str] = {}
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        authority = OwnAuthority()
        certificate, key = folder / "ingress.pem", folder / "ingress.key"
        authority.sign(certificate, key, f"*.{DOMAIN}")
        self.authorities = folder / "authorities.pem"
        """The machine's, and the one that has signed for the ingress."""
        self.authorities.write_bytes(_usual() + b"\n" + authority.pem)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)
        self._tls.sni_callback = self._named

    async def start(self, address: str) -> None:
        self._server = await asyncio.start_server(self._serve, address, 443, ssl=self._tls)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def _named(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        self._names[connection] = (name or "").partition(".")[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        name = self._names.pop(writer.get_extra_info("ssl_object"), "")
        try:
            await self._pass(name, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.transport.abort()

    async def _pass(
        self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        place = await asyncio.to_thread(self._place, name)
        there = None
        if place is not None:
            try:
                there = await asyncio.open_connection(*place)
            except OSError:
                self._moved(name)
        if there is None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_NOBODY if place is None else _DOWN)
            await writer.drain()
            writer.close()
            return
        inner_reader, inner_writer = there
        inward = asyncio.create_task(_pump(reader, inner_writer))
        outward = asyncio.create_task(_pump(inner_reader, writer))
        try:
            # What the app has said to its end is all that its caller waits for.
            await outward
            await writer.drain()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            inward.cancel()
            outward.cancel()
            await asyncio.gather(inward, outward, return_exceptions=True)
            inner_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


def _usual() -> bytes:
    found = ssl.get_default_verify_paths()
    file = Path(found.cafile or "/etc/ssl/certs/ca-certificates.crt")
    return file.read_bytes() if file.exists() else b""
