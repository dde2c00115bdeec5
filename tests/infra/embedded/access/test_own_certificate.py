"""The installation's own certificate, in files that somebody renews."""

import logging
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from infra.embedded.access.certificates import Certificates
from infra.embedded.access.own_certificate import OwnCertificate
from infra.embedded.access.tls import CertificateError, TlsFiles
from infra.settings import Settings
from infra.settings.adapters import EmbeddedSettings
from tests.kit.certificates.authority import OwnAuthority


@pytest.fixture
def authority() -> OwnAuthority:
    return OwnAuthority()


class Pair:
    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "own.pem", folder / "own.key"
        self.own = OwnCertificate(self.certificate, self.key)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def shown(files: TlsFiles, name: str | None) -> int:
    """The serial number of the certificate that a handshake with `files` ends with."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    if files.by_name is not None:
        server.sni_callback = files.by_name
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname=name)
    answering = server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = asking.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


async def ready(folder: Path, own: OwnCertificate | None, *names: str) -> TlsFiles:
    return await Certificates(folder / "tls", names, own).ready()


async def test_who_asks_for_another_name_is_shown_it_and_this_machine_is_not(
    authority: OwnAuthority, pair: Pair, tmp_path: Path
) -> None:
    serial = authority.sign(pair.certificate, pair.key, "ml.example", "*.ml.example")
    files = await ready(tmp_path, pair.own, "ml.example", "inside")
    for name in ("ml.example", "iris.ml.example", "IRIS.ML.example", "unknown.example"):
        assert shown(files, name) == serial, name
    built_in = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
    for own in (None, "localhost", "iris.localhost", "inside"):
        assert shown(files, own) == built_in, own


async def test_without_one_the_hosts_own_authority_signs_for_every_name(tmp_path: Path) -> None:
    files = await ready(tmp_path, None, "ml.example", "*.ml.example")
    assert files.by_name is None
    found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"ml.example", "*.ml.example", "localhost"} <= {
        str(name) for name in names.get_values_for_type(x509.DNSName)
    }


async def test_the_names_of_the_installation_are_signed_for(tmp_path: Path) -> None:
    told = {
        "ML_ENDPOINTS_PLATFORM": "embedded",
        "ML_ENDPOINTS_BASE_URL": "https://ml.example:7443",
        "ML_ENDPOINTS_SCORING_DOMAIN": "Scoring.example:443",
    }
    certificates = Certificates.of(Settings.read(told), tmp_path, ["inside"])
    found = x509.load_pem_x509_certificate((await certificates.ready()).certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"inside", "ml.example", "scoring.example", "*.scoring.example"} <= {
        str(name) for name in names.get_values_for_type(x509.DNSName)
    }


async def test_a_renewed_pair_is_shown_and_a_bad_one_is_not(
    authority: OwnAuthority, pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = authority.sign(pair.certificate, pair.key, "ml.example")
    files = await ready(tmp_path, pair.own)
    old_key = pair.key.read_bytes()
    second = authority.sign(pair.certificate, pair.key, "ml.example", "new.example")
    new_certificate, new_key = pair.certificate.read_bytes(), pair.key.read_bytes()

    for certificate, key in (
        (new_certificate, old_key),
        (new_certificate[: len(new_certificate) // 2], new_key),
        (b"", b""),
        (new_certificate, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
    ):
        pair.certificate.write_bytes(certificate)
        pair.key.write_bytes(key)
        caplog.clear()
        pair.own.look()
        pair.own.look()
        assert shown(files, "ml.example") == first
        (refused,) = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert "the certificate before is shown on" in refused.message
        assert str(pair.key) in refused.message
    pair.certificate.unlink()
    pair.own.look()
    assert shown(files, "ml.example") == first

    pair.certificate.write_bytes(new_certificate)
    pair.key.write_bytes(new_key)
    pair.own.look()
    assert shown(files, "new.example") == second


def test_one_that_cannot_be_shown_is_refused_at_the_start(
    authority: OwnAuthority, pair: Pair
) -> None:
    with pytest.raises(CertificateError, match=r"own\.pem and .*own\.key are no certificate"):
        pair.own.load()
    authority.sign(pair.certificate, pair.key, "ml.example")
    pair.key.write_text("no key")
    with pytest.raises(CertificateError, match="with its own plain key"):
        pair.own.load()


def test_one_that_ends_soon_is_told_of(
    authority: OwnAuthority, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    authority.sign(pair.certificate, pair.key, "ml.example", life=timedelta(days=3))
    pair.own.load()
    assert "nobody has renewed it" in caplog.text


def test_a_certificate_and_its_key_are_set_together() -> None:
    for name in ("ML_ENDPOINTS_TLS_CERTIFICATE", "ML_ENDPOINTS_TLS_KEY"):
        with pytest.raises(ValueError, match="one is nothing without the other"):
            EmbeddedSettings.model_validate({name: "/x.pem"})
