"""A door that speaks TLS, for where the platform has none between gateway and node."""

import http.client
import json
import socket
import ssl
from pathlib import Path

import pytest

from infra.embedded.access.tls import ensure_certificates
from tests.kit.waiting import PATIENCE, until
from tests.runtime.node.harness import PROOF, SHOWN, StartNode

ECHO = """
    def init():
        pass

    def run(data):
        return len(data)
"""


def test_a_door_with_a_certificate_speaks_tls_and_nothing_else(
    start_node: StartNode, tmp_path: Path
) -> None:
    files = ensure_certificates(tmp_path / "tls", ["127.0.0.1"])
    env = {
        "ML_ENDPOINTS_NODE_TLS_CERT": files.certificate.read_text(),
        "ML_ENDPOINTS_NODE_TLS_KEY_FILE": str(files.key),
    }
    node = start_node(ECHO, env=env)
    context = ssl.create_default_context(cafile=str(files.ca))
    door = http.client.HTTPSConnection("127.0.0.1", node.port, context=context, timeout=PATIENCE)

    def ask(method: str, target: str, body: bytes = b"") -> http.client.HTTPResponse:
        door.request(method, target, body, SHOWN)
        return door.getresponse()

    def is_ready() -> bool:
        answer = ask("GET", "/readyz")
        return answer.read() == b"ready"

    until(is_ready, "it is ready")
    answer = ask("POST", "/score", b"x" * 3_000_000)
    assert json.loads(answer.read()) == 3_000_000
    assert answer.headers["ml-endpoints-node"] == PROOF
    pinned = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    assert isinstance(door.sock, ssl.SSLSocket)
    assert door.sock.getpeercert(binary_form=True) == pinned
    door.close()
    with socket.create_connection(("127.0.0.1", node.port), PATIENCE) as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        with pytest.raises(ConnectionError):
            _read_all(plain)
    assert not list(tmp_path.glob("**/door.pem"))
    assert "PRIVATE KEY" not in node.log


def _read_all(plain: socket.socket) -> None:
    answer = b""
    while piece := plain.recv(4096):
        answer += piece
    assert b"HTTP" not in answer
    raise ConnectionError("It closed the connection.")
