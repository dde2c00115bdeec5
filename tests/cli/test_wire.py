"""Whose certificates the command line trusts."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cli.failures import CommandFailed
from cli.host.wire import Wire
from tests.kit.certificates.authority import OwnAuthority


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnAuthority:
    """The one that this machine trusts."""
    authority = OwnAuthority()
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("NO_PROXY", "localhost")
    return authority


@pytest.fixture
def port(authority: OwnAuthority, tmp_path: Path) -> Iterator[int]:
    """Of a server whose certificate, for `localhost`, it has signed."""
    pair = tmp_path / "server.pem", tmp_path / "server.key"
    authority.sign(*pair, "localhost")

    class Door(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*pair)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_host_is_known_by_its_own_authority_and_its_other_names_by_the_machines_too(
    port: int, tmp_path: Path
) -> None:
    hosts_own = tmp_path / "ca.pem"
    hosts_own.write_bytes(OwnAuthority().certificate.public_bytes(Encoding.PEM))
    url = f"https://localhost:{port}/"

    elsewhere = Wire(str(hosts_own), "https://127.0.0.1:7443")
    assert elsewhere.send("GET", url, {}).status == 204
    elsewhere.close()
    there = Wire(str(hosts_own), url)
    with pytest.raises(CommandFailed, match="its certificate is not trusted"):
        there.send("GET", url, {})
