"""Which certificates the host shows, and that they are renewed in time."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from infra.embedded.access.own_certificate import OwnCertificate
from infra.embedded.access.tls import CertificateError, TlsFiles, ensure_certificates, stands_for
from infra.settings import Settings

_log = logging.getLogger(__name__)

_LOOK = 2.0
_CHECK = 12 * 3600.0
"""Seconds."""


class Certificates:
    """The host's own authority signs for `names` and for this machine's own. Where there is an
    `own` certificate, who asks for any other name, or for one of its own, is shown that; programs
    of this machine go on as they are."""

    def __init__(self, folder: Path, names: Sequence[str], own: OwnCertificate | None) -> None:
        self._folder = folder
        self._names = names
        self._own = own

    @classmethod
    def of(cls, settings: Settings, folder: Path, names: Sequence[str]) -> Self:
        """As the settings have it; `names` are those of the address."""
        embedded, own = settings.embedded, None
        if embedded.tls_certificate is not None and embedded.tls_key is not None:
            own = OwnCertificate(embedded.tls_certificate, embedded.tls_key)
        public = [urlsplit(settings.installation.base_url).hostname or ""]
        if settings.reach.scoring_domain is not None:
            domain = settings.reach.scoring_domain.partition(":")[0]
            public += [domain, f"*.{domain}"]
        return cls(folder, [*names, *(each for each in public if own is None and each)], own)

    async def ready(self) -> TlsFiles:
        """What is shown from now on. Raises CertificateError."""
        files = await asyncio.to_thread(ensure_certificates, self._folder, self._names)
        if self._own is None:
            return files
        await asyncio.to_thread(self._own.load)
        return replace(files, by_name=self._choose)

    async def keep(self, renew: Callable[[TlsFiles], None]) -> None:
        """As long as the host runs: what is to be shown instead of what is, is."""
        looks = 0
        while True:
            await asyncio.sleep(_LOOK if self._own is not None else _CHECK)
            looks += 1
            if self._own is not None:
                await asyncio.to_thread(self._own.look)
                if looks * _LOOK < _CHECK:
                    continue
                self._own.warn(datetime.now(UTC))
            looks = 0
            try:
                renew(await asyncio.to_thread(ensure_certificates, self._folder, self._names))
            except (CertificateError, OSError) as error:
                _log.warning("the built-in certificate was not renewed: %s", error)

    def _choose(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Of a handshake that names whom it wants."""
        if name is None or self._own is None:
            return
        if self._own.is_for(name) or not stands_for(self._names, name):
            self._own.show(tls)
