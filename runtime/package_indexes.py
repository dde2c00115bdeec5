"""Package indexes, and what opens them, as uv is told of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

Credentials = Mapping[str, tuple[str, str]]
"""User and password, by the index's URL."""

_DEFAULT = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_USER = re.compile(rb"(?<=//)[^/\s@]*@")
_SHORTEST = 4
"""What is shorter occurs in a log by chance, everywhere."""


def read_credentials(descriptor: int) -> Credentials:
    """The first line of a pipe whose other lines are not for us: no byte more is read."""
    line = bytearray()
    while (piece := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += piece
    return {url: (user, password) for url, (user, password) in json.loads(line or b"{}").items()}


def take_over(environment: dict[str, str], indexes: Mapping[str, Any]) -> None:
    """Take out of `environment` what uv would go by instead of an environment's own index."""
    if indexes["index_url"] is not None:
        for variable in _DEFAULT:
            environment.pop(variable, None)
    # What the host's own pip is told (`of_pip`) does not say how an environment's are asked.
    environment["UV_INDEX_STRATEGY"] = indexes["strategy"]
    environment.pop("UV_CONFIG_FILE", None)
    environment.pop("UV_NO_CONFIG", None)


class Secrets:
    """Credentials by URL, and every form of them that may not be printed."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._hidden = sorted(
            {form.encode() for form in _forms(credentials) if len(form) >= _SHORTEST},
            key=len,
            reverse=True,
        )

    def configuration(self, indexes: Mapping[str, Any]) -> int:
        """uv's configuration, with the credentials, in a pipe that can be read once. The caller
        closes it."""
        lines = [
            f"find-links = {json.dumps([self._opened(url) for url in indexes['find_links']])}",
        ]
        named = [(url, False) for url in indexes["extra_index_urls"]]
        if indexes["index_url"] is not None:
            named.append((indexes["index_url"], True))
        for url, is_default in named:
            default = "true" if is_default else "false"
            lines += ["[[index]]", f"url = {json.dumps(self._opened(url))}", f"default = {default}"]
        reading, writing = os.pipe()
        # Beside the tool, which reads: a pipe holds less than all of this may be.
        text = "\n".join(lines).encode()
        threading.Thread(target=_write, args=(writing, text), daemon=True).start()
        return reading

    def told(self, indexes: Mapping[str, Any]) -> Iterator[str]:
        """A line for each index, in the order in which they are asked; uv does not say which of
        them kept its packages to itself."""
        last = [indexes["index_url"]] if indexes and indexes["index_url"] is not None else []
        for url in [*indexes.get("extra_index_urls", ()), *last, *indexes.get("find_links", ())]:
            yield f"Index {url}, {'with' if url in self._credentials else 'without'} credentials"

    def scrubbed(self, line: bytes) -> bytes:
        """Without credentials, ours or any other that stands in a URL."""
        for secret in self._hidden:
            line = line.replace(secret, b"****")
        return _USER.sub(b"****@", line)

    def _opened(self, url: str) -> str:
        if url not in self._credentials:
            return url
        user, password = self._credentials[url]
        parts = urlsplit(url)
        told = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
        return parts._replace(netloc=told).geturl()


def _write(pipe: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(pipe, "wb") as stream:
        stream.write(text)


def _forms(credentials: Credentials) -> Iterator[str]:
    for user, password in credentials.values():
        # Some indexes take a token for the user, and nothing for the password.
        secret = password or user
        yield secret
        yield quote(secret, safe="")


def of_pip() -> dict[str, str]:
    """pip's settings of where packages come from, as uv's. uv reads neither pip's variables
    nor its files, but whoever told pip about a mirror means it here too. What is set for uv
    itself wins."""
    ours = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    configured = _pip_configuration()
    settings: dict[str, str] = {}
    for option, variable in ours.items():
        value = os.environ.get(f"PIP_{option.replace('-', '_').upper()}")
        value = value or _without_credentials(option, configured.get(option, ""))
        if value and variable not in os.environ:
            separator = "," if variable == "UV_FIND_LINKS" else " "
            settings[variable] = separator.join(value.split())
    if "UV_DEFAULT_INDEX" in settings and "UV_INDEX_URL" in os.environ:
        del settings["UV_DEFAULT_INDEX"]
    if "UV_INDEX" in settings:
        if "UV_EXTRA_INDEX_URL" in os.environ:
            del settings["UV_INDEX"]
        elif "UV_INDEX_STRATEGY" not in os.environ:
            # pip takes the best version of all indexes; an index named for pip counts on it.
            settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return settings


def _without_credentials(option: str, value: str) -> str:
    """A build's variables are read by the code of the packages that it builds."""
    if not _USER.search(value.encode()):
        return value
    print(
        f"warning: {option} of pip's configuration has a user in it, and is not handed on:"
        " let ML_ENDPOINTS_PACKAGE_INDEX name it",
        flush=True,
    )
    return ""


def _pip_configuration() -> dict[str, str]:
    """`[global]` and `[install]` of pip's files, later files over earlier ones."""
    import configparser

    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return {}
    home = Path(os.environ.get("HOME") or "/nonexistent")
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        user / "pip" / "pip.conf",
        *([Path(named)] if named else []),
    ]
    values: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            print(f"warning: {file} is not read: {error}", flush=True)
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                values.update({k.replace("_", "-"): v for k, v in parser.items(section)})
    return values
