"""What a node is told by its environment; docs/node-agent.md has every variable."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..batch.store.lent_files import LentFile, NotLent
from .faults import BadSettings
from .spec import Spec, parse

PREFIX = "ML_ENDPOINTS_NODE_"

_SECRET = re.compile(r"[A-Za-z0-9_.~-]{32,256}")
_KNOWN = frozenset(
    {
        *("SECRET", "SECRET_FILE", "SPEC", "SPEC_FILE", "SPEC_URL", "SPEC_SHA256"),
        *("ID", "HOST", "PORT", "DATA"),
        *("TLS_CERT", "TLS_CERT_FILE", "TLS_KEY", "TLS_KEY_FILE"),
    }
)
_LARGEST_SPEC = 64 << 20
_TRIES = 5


class Settings(NamedTuple):
    secret: str
    spec: Spec
    id: str
    host: str
    port: int
    data: str
    certificate: str
    key: str


def read(environment: Mapping[str, str]) -> Settings:
    """Raises BadSettings with every fault there is."""
    reader = _Reader(environment)
    settings = Settings(
        secret=reader.secret(),
        spec=reader.spec(),
        id=reader.plain("ID") or os.uname().nodename,
        host=reader.plain("HOST"),
        port=reader.port(),
        data=reader.plain("DATA") or os.path.join(tempfile.gettempdir(), "ml-endpoints-node"),
        certificate=reader.text("TLS_CERT"),
        key=reader.text("TLS_KEY"),
    )
    if bool(settings.certificate) != bool(settings.key):
        reader.faults.append(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY come together.")
    if reader.faults:
        raise BadSettings(reader.faults)
    return settings


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = {
            name[len(PREFIX) :]: value
            for name, value in environment.items()
            if name.startswith(PREFIX)
        }
        unknown = sorted(self._given.keys() - _KNOWN)
        self.faults = [f"{PREFIX}{name} is not known." for name in unknown]

    def plain(self, name: str) -> str:
        return self._given.get(name, "")

    def text(self, name: str) -> str:
        """The value, or what the file has that is named instead."""
        value, path = self.plain(name), self.plain(f"{name}_FILE")
        if value and path:
            self.faults.append(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both given.")
        if value or not path:
            return value
        try:
            with open(path, encoding="utf-8") as file:
                return file.read(_LARGEST_SPEC).rstrip("\r\n")
        except (OSError, ValueError) as error:
            self.faults.append(f"{PREFIX}{name}_FILE cannot be read: {error}")
            return ""

    def secret(self) -> str:
        before = len(self.faults)
        secret = self.text("SECRET")
        if not secret and len(self.faults) == before:
            self.faults.append(f"{PREFIX}SECRET is missing: nobody could be told from anybody.")
        elif secret and not _SECRET.fullmatch(secret):
            self.faults.append(
                f"{PREFIX}SECRET is not 32 to 256 characters of A-Z a-z 0-9 - _ . and ~."
            )
        return secret

    def port(self) -> int:
        told = self.plain("PORT") or "5001"
        if told.isascii() and told.isdigit() and int(told) < 65536:
            return int(told)
        self.faults.append(f"{PREFIX}PORT is {told!r}, not a number from 0 to 65535.")
        return 0

    def spec(self) -> Spec:
        before = len(self.faults)
        document = self._spec_document()
        try:
            value: Any = json.loads(document) if document else None
        except ValueError as error:
            self.faults.append(f"The spec is not JSON: {error}")
            value = None
        if value is None and len(self.faults) == before:
            self.faults.append(f"{PREFIX}SPEC is missing: there is nothing to run.")
        if value is None:
            return Spec.nothing()
        spec, faults = parse(value)
        self.faults.extend(faults)
        return spec

    def _spec_document(self) -> str:
        url = self.plain("SPEC_URL")
        told = self.text("SPEC")
        if not url:
            return told
        if told:
            self.faults.append(f"{PREFIX}SPEC and {PREFIX}SPEC_URL are both given.")
        try:
            content = fetched(url)
        except NotLent as error:
            self.faults.append(f"The spec {error}.")
            return ""
        digest = self.plain("SPEC_SHA256")
        if digest and hashlib.sha256(content).hexdigest() != digest.lower():
            self.faults.append(f"The spec does not have the digest {PREFIX}SPEC_SHA256 names.")
            return ""
        return content.decode("utf-8", "replace")


def fetched(url: str) -> bytes:
    """Raises NotLent. What passes by itself is waited out for some seconds."""
    attempt = 1
    while True:
        try:
            return _fetched(url)
        except NotLent as error:
            passing = error.status in (0, 429) or error.status >= 500
            if attempt == _TRIES or not passing or url.startswith("file:"):
                raise
        time.sleep(0.25 * 2**attempt)
        attempt += 1


def _fetched(url: str) -> bytes:
    with tempfile.TemporaryFile() as file:
        LentFile(url, patience=0).copy(file)
        if file.tell() > _LARGEST_SPEC:
            raise NotLent("is larger than 64 MiB", 413)
        file.seek(0)
        return file.read()
