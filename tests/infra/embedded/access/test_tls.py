"""The host's own certificates."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.embedded.access.tls import CertificateError, ensure_certificates

RSA = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


def test_keys_and_certificates_are_for_their_owner_only(tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"ca.key": 0o600, "ca.pem": 0o600, "host.key": 0o600, "host.pem": 0o600}


def test_they_are_made_once(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path).certificate.read_bytes()
    assert ensure_certificates(tmp_path).certificate.read_bytes() == first


def test_the_certificate_is_renewed_before_it_expires_and_its_ca_stays(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    ca, host = files.ca.read_bytes(), files.certificate.read_bytes()
    ensure_certificates(tmp_path, now=datetime.now(UTC) + timedelta(days=300))
    assert files.certificate.read_bytes() == host
    ensure_certificates(tmp_path, now=datetime.now(UTC) + timedelta(days=340))
    assert files.certificate.read_bytes() != host
    assert files.ca.read_bytes() == ca


def test_a_ca_near_its_end_is_replaced_with_everything_under_it(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    ca = files.ca.read_bytes()
    ensure_certificates(tmp_path, now=datetime.now(UTC) + timedelta(days=3640))
    assert files.ca.read_bytes() != ca
    issuer = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    issuer.verify_directly_issued_by(x509.load_pem_x509_certificate(files.ca.read_bytes()))


def test_a_name_asked_for_is_added(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, ["192.0.2.7", "ml.example"])
    names = (
        x509.load_pem_x509_certificate(files.certificate.read_bytes())
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert {str(name.value) for name in names} == {
        "localhost",
        "*.localhost",
        "127.0.0.1",
        "::1",
        "192.0.2.7",
        "ml.example",
    }
    kept = files.certificate.read_bytes()
    assert ensure_certificates(tmp_path).certificate.read_bytes() == kept


def test_a_damaged_certificate_is_made_anew(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path)
    files.certificate.write_bytes(b"damaged")
    ensure_certificates(tmp_path)
    x509.load_pem_x509_certificate(files.certificate.read_bytes())


@pytest.mark.parametrize("content", [b"no key", RSA])
def test_a_key_of_another_kind_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    files = ensure_certificates(tmp_path)
    files.certificate.unlink()
    key = tmp_path / "ca.key"
    key.write_bytes(content)
    with pytest.raises(CertificateError, match=r"ca\.key is not .* Remove it"):
        ensure_certificates(tmp_path)
    key.unlink()
    assert ensure_certificates(tmp_path).certificate.exists()
