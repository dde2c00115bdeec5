import asyncio
import ssl
from pathlib import Path

import pytest

from infra.compute.http.dialing import open_streams
from tests.kit.certificates.authority import OwnAuthority
from tests.kit.waiting import patience

NAME = "node.apps.example"


async def test_whose_authorities_another_file_names_is_trusted_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        authority, folder = OwnAuthority(), tmp_path / str(number)
        folder.mkdir()
        authority.sign(folder / "pair.pem", folder / "pair.key", NAME)
        (folder / "ca.pem").write_bytes(authority.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(folder / "pair.pem", folder / "pair.key")
        async with patience():
            assert await said(tls) == b"let in"


async def said(tls: ssl.SSLContext) -> bytes:
    """By an ingress, to whoever trusts it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"let in")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await open_streams(f"{NAME}@127.0.0.1:{port}")
        told = await reader.read()
        writer.close()
    return told
