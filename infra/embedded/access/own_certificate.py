"""A certificate of the installation's own, from files that somebody renews."""

import contextlib
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from infra.embedded.access.tls import CertificateError

_log = logging.getLogger(__name__)

_ENDS_SOON = timedelta(days=14)

Seen = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Pair:
    """What is shown. `names` are those of the certificate."""

    context: ssl.SSLContext
    names: Sequence[str]
    ends: datetime

    def is_for(self, name: str) -> bool:
        _, dot, parent = name.partition(".")
        return name in self.names or bool(dot and f"*.{parent}" in self.names)


class OwnCertificate:
    """Shown from `load` on. `look` takes up what has changed in the files; a pair that cannot be
    shown, such as one that is half written, changes nothing and is told of once."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._seen: Seen = ()
        self._pair: _Pair | None = None

    def load(self) -> None:
        """Blocking. Raises CertificateError for what cannot be shown."""
        self._seen = self._signature()
        self._pair = self._read()
        self._tell(self._pair)

    def look(self) -> None:
        """Blocking."""
        seen = self._signature()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._pair = self._read()
        except CertificateError as error:
            _log.warning(
                "the certificate before is shown on: %s",
                error,
                extra={"action": "certificate_refused"},
            )
        else:
            self._tell(self._pair)

    def is_for(self, name: str) -> bool:
        """Whether the certificate that is shown stands for `name`."""
        return self._pair is not None and self._pair.is_for(name.lower().rstrip("."))

    def show(self, tls: "ssl.SSLObject | ssl.SSLSocket") -> None:
        """To the caller of this connection, whose handshake goes on with it."""
        if self._pair is not None:
            tls.context = self._pair.context

    def warn(self, now: datetime) -> None:
        """While it ends soon, or has ended."""
        if self._pair is not None and self._pair.ends - now < _ENDS_SOON:
            _log.warning(
                "%s ends on %s, and nobody has renewed it",
                self._certificate,
                self._pair.ends.date(),
                extra={"action": "certificate_ends"},
            )

    def _read(self) -> _Pair:
        # A context of its own: one that is in use would be left with half of a bad pair.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            found = x509.load_pem_x509_certificate(self._certificate.read_bytes())
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
            return _Pair(context, _names(found), found.not_valid_after_utc)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            why = error.reason if isinstance(error, ssl.SSLError) else error
            raise CertificateError(
                f"{self._certificate} and {self._key} are no certificate in PEM, its chain below"
                f" it, with its own plain key: {why or error}"
            ) from None

    def _tell(self, pair: _Pair) -> None:
        _log.info(
            "the certificate of %s is shown, for %s",
            self._certificate,
            ", ".join(pair.names) or "no name",
            extra={"action": "certificate_shown", "ends": pair.ends.isoformat()},
        )
        self.warn(datetime.now(UTC))

    def _signature(self) -> Seen:
        """What changes when somebody writes the files, or puts others in their place."""
        found = []
        for file in (self._certificate, self._key):
            with contextlib.suppress(OSError):
                stat = file.stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)


def _no_password() -> str:
    """Without this, OpenSSL would ask the terminal for one."""
    raise ValueError("the key is sealed with a password")


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]
