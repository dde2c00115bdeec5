"""The host's own certificate authority and certificate, for names of this machine only."""

import ipaddress
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.embedded.access import name_limits
from infra.embedded.access.private_files import write_private

_log = logging.getLogger(__name__)

_NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")
_CA_LIFE = timedelta(days=3650)
_HOST_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)


class CertificateError(Exception):
    """No certificate can be signed with what is in the folder; the message says what to do."""


@dataclass(frozen=True)
class TlsFiles:
    """`ca` is what a client must trust; the other two are the server's. `by_name` may turn a
    handshake to another certificate, by the name that it asks for."""

    ca: Path
    certificate: Path
    key: Path
    by_name: Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None] | None = None


def stands_for(names: Iterable[str], name: str) -> bool:
    """Whether a certificate that is made for `names` is one for `name`."""
    wanted = name.lower().rstrip(".")
    _, dot, parent = wanted.partition(".")
    known = {*_NAMES, *(each.lower() for each in names)}
    return wanted in known or bool(dot and f"*.{parent}" in known)


def ensure_certificates(
    folder: Path, names: Iterable[str] = (), now: datetime | None = None
) -> TlsFiles:
    """The files in `folder`, made at first and made again a month before they expire or when
    `names` (beside this machine's own) asks for more. The CA outlives host certificates, so
    a client trusts it once; but it can sign for the names alone that it was made for, and for what
    is below them, so that another name takes another CA, which has the earlier ones too. Raises
    CertificateError. Blocking."""
    moment = now or datetime.now(UTC)
    wanted = [*_NAMES, *(name for name in names if name not in _NAMES)]
    files = TlsFiles(folder / "ca.pem", folder / "host.pem", folder / "host.key")
    ca_key_file = folder / "ca.key"
    ca = _load(files.ca)
    told = [name for name in names if name]
    if ca is not None and ca_key_file.exists() and not name_limits.permit(ca, told):
        _ca_key(ca_key_file, files.ca)  # What is not the host's own is not replaced.
        told += name_limits.names_of(ca)
        _log.warning("%s cannot sign for %s: it is made anew", files.ca, ", ".join(names))
        ca = None
    if ca is None or not ca_key_file.exists() or _expires_soon(ca, moment):
        key = ec.generate_private_key(ec.SECP256R1())
        ca = _make_ca(key, told, moment)
        write_private(ca_key_file, _pem(key))
        write_private(files.ca, ca.public_bytes(serialization.Encoding.PEM))
    host = _load(files.certificate)
    if (
        host is None
        or not files.key.exists()
        or _expires_soon(host, moment)
        or host.issuer != ca.subject
        or not set(wanted) <= set(_names_of(host))
    ):
        ca_key = _ca_key(ca_key_file, files.ca)
        key = ec.generate_private_key(ec.SECP256R1())
        host = _make_host(key, ca, ca_key, wanted, moment)
        write_private(files.key, _pem(key))
        write_private(files.certificate, host.public_bytes(serialization.Encoding.PEM))
    return files


def _ca_key(file: Path, ca: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # encrypted, or no key at all
        key = None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    raise CertificateError(
        f"{file} is not a plain elliptic-curve key, as this host makes them. Remove it: then it"
        f" and {ca} are made anew, and clients have to be told to trust the new {ca.name}."
    )


def _make_ca(
    key: ec.EllipticCurvePrivateKey, names: Iterable[str], now: datetime
) -> x509.Certificate:
    # The serial in the name keeps a renewed CA from being taken for its predecessor.
    serial = x509.random_serial_number()
    name = _name(f"ml-endpoints embedded host CA {serial % 2**32:08x}")
    return (
        _builder(name, name, key.public_key(), serial, now, _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(name_limits.to([*_NAMES, *names]), critical=True)
        .sign(key, hashes.SHA256())
    )


def _make_host(
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: Iterable[str],
    now: datetime,
) -> x509.Certificate:
    serial = x509.random_serial_number()
    issuer_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(
            _name("ml-endpoints embedded host"),
            ca.subject,
            key.public_key(),
            serial,
            now,
            min(_HOST_LIFE, ca.not_valid_after_utc - now),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def _expires_soon(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - now < _RENEW_BEFORE


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
