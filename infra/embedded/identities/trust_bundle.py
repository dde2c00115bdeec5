"""What a script trusts where it calls its host: the machine's authorities, and the host's own."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.embedded.access.private_files import write_private

VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_LARGEST: Final = 8 * 2**20


def write_bundle(file: Path, own: Path, environment: Mapping[str, str]) -> None:
    """Into `file`. Blocking. Raises OSError."""
    write_private(file, b"\n".join([_usual(environment), own.read_bytes()]))


def _usual(environment: Mapping[str, str]) -> bytes:
    """What programs of this machine trust: as they are told to, or as is usual."""
    told = [environment[name] for name in VARIABLES if environment.get(name)]
    paths = ssl.get_default_verify_paths()
    for each in (*told, paths.cafile, paths.openssl_cafile):
        if each and os.path.isfile(each):
            with open(each, "rb") as file:
                return file.read(_LARGEST)
    return b""
