"""What a node's processes trust: the container's authorities, and those that its host names."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_LARGEST = 8 << 20


def trusting(folder: str, authorities: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Variables, by which `authorities` (PEM) are trusted too; none for none. Raises OSError."""
    if not authorities:
        return {}
    path = os.path.join(folder, "authorities.pem")
    with open(path, "wb") as file:
        file.write(_usual(environment) + b"\n" + authorities.encode())
    return dict.fromkeys(VARIABLES, path)


def _usual(environment: Mapping[str, str]) -> bytes:
    paths = ssl.get_default_verify_paths()
    told = [environment[name] for name in VARIABLES if environment.get(name)]
    for each in (*told, paths.cafile, paths.openssl_cafile):
        if each and os.path.isfile(each):
            with open(each, "rb") as file:
                return file.read(_LARGEST)
    return b""
