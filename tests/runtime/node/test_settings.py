"""What a node is told: by variables, by files, by URL."""

import hashlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from runtime.node.faults import BadSettings
from runtime.node.settings import Settings, read
from tests.kit.web_server import reply, web_server
from tests.runtime.node.harness import SECRET, spec_of


def told(**more: str) -> Settings:
    return read({f"ML_ENDPOINTS_NODE_{name}": value for name, value in more.items()})


def faults(**more: str) -> str:
    with pytest.raises(BadSettings) as bad:
        told(**more)
    return " ".join(bad.value.faults)


def test_what_is_secret_may_be_in_files(tmp_path: Path) -> None:
    secret, spec = tmp_path / "secret", tmp_path / "spec.json"
    secret.write_text(f"{SECRET}\n")
    spec.write_text(spec_of(tmp_path, {"revision": "r"}))
    settings = told(SECRET_FILE=str(secret), SPEC_FILE=str(spec))
    assert (settings.secret, settings.spec.revision, settings.port) == (SECRET, "r", 5001)
    assert "SECRET and ML_ENDPOINTS_NODE_SECRET_FILE are both given" in faults(
        SECRET=SECRET, SECRET_FILE=str(secret)
    )
    missing = faults(SECRET_FILE=str(tmp_path / "none"), SPEC="{}")
    assert "SECRET_FILE cannot be read" in missing
    assert "SECRET is missing" not in missing


def test_a_spec_is_read_from_its_url_if_it_is_the_one_that_is_meant(tmp_path: Path) -> None:
    document = spec_of(tmp_path, {}).encode()
    statuses = [503]

    def answer(request: BaseHTTPRequestHandler) -> None:
        reply(request, statuses.pop() if statuses else 200, document)

    with web_server() as web:
        web.answers["/spec"] = answer
        url, digest = f"{web.url}/spec?sig=s3cret", hashlib.sha256(document).hexdigest()
        assert told(SECRET=SECRET, SPEC_URL=url, SPEC_SHA256=digest).spec.mode == "serve"
        other = faults(SECRET=SECRET, SPEC_URL=url, SPEC_SHA256="0" * 64)
        assert "does not have the digest" in other
        gone = faults(SECRET=SECRET, SPEC_URL=f"{web.url}/none?sig=s3cret")
        assert "The spec could not be downloaded: the store answered 404" in gone
        assert "s3cret" not in gone


def test_a_spec_that_is_none_is_told(tmp_path: Path) -> None:
    assert "The spec is not JSON" in faults(SECRET=SECRET, SPEC="{")
    assert "The spec is not a JSON object" in faults(SECRET=SECRET, SPEC="[]")
    assert "SPEC is missing" in faults(SECRET=SECRET)
