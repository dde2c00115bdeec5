"""The host's own certificates."""

import contextlib
import ssl
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from infra.embedded.access.tls import CertificateError, TlsFiles, ensure_certificates

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


def test_the_ca_can_sign_for_the_names_that_it_was_made_for_and_no_other(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, ["ml.example", "192.0.2.7"])
    ca = files.ca.read_bytes()
    limits = x509.load_pem_x509_certificate(ca).extensions.get_extension_for_class(
        x509.NameConstraints
    )
    assert limits.critical
    assert [str(each.value) for each in limits.value.permitted_subtrees or []] == [
        *("localhost", "127.0.0.1/32", "::1/128", "ml.example", "192.0.2.7/32")
    ]
    context = ssl.create_default_context(cafile=files.ca)
    for name in ("localhost", "127.0.0.1", "ml.example", "192.0.2.7"):
        shown(files, context, name)
    # What is below a name needs no other CA.
    ensure_certificates(tmp_path, ["*.ml.example", "a.b.ml.example"])
    assert files.ca.read_bytes() == ca


def test_a_certificate_for_another_name_is_believed_by_nobody_who_trusts_the_ca(
    tmp_path: Path,
) -> None:
    files = ensure_certificates(tmp_path / "a", ["ml.example"])
    other = ensure_certificates(tmp_path / "b", ["bank.example"])
    # The thief of the first one's key, who signs for a name of his own.
    key = serialization.load_pem_private_key((tmp_path / "a" / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    theirs = x509.load_pem_x509_certificate(other.certificate.read_bytes())
    forged = x509.CertificateBuilder(
        ca.subject,
        theirs.subject,
        theirs.public_key(),
        x509.random_serial_number(),
        theirs.not_valid_before_utc,
        theirs.not_valid_after_utc,
        [e for e in theirs.extensions if e.oid != ExtensionOID.AUTHORITY_KEY_IDENTIFIER],
    ).sign(key, hashes.SHA256())
    stolen = tmp_path / "forged.pem"
    stolen.write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(cafile=files.ca)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shown(replace(files, certificate=stolen, key=other.key), context, "bank.example")


def test_a_name_that_the_ca_cannot_sign_for_takes_a_new_one_which_keeps_the_others(
    tmp_path: Path,
) -> None:
    files = ensure_certificates(tmp_path, ["ml.example"])
    first = files.ca.read_bytes()
    ensure_certificates(tmp_path, ["other.example"])
    second = files.ca.read_bytes()
    assert second != first
    shown(files, ssl.create_default_context(cafile=files.ca), "other.example")
    ensure_certificates(tmp_path, ["ml.example"])
    assert files.ca.read_bytes() == second


def shown(files: TlsFiles, context: ssl.SSLContext, name: str) -> None:
    """A handshake, in which the host asks for `name`. Raises SSLCertVerificationError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = context.wrap_bio(to_client, to_server, server_hostname=name)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (theirs, ours, theirs):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()


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
