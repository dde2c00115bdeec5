"""Where environments' packages come from, and what opens it."""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from domain.errors import Invalid
from domain.ports import NO_INDEXES, Credentials, EnvironmentSpec, IndexCredentials, PackageIndexes
from infra.settings.packages import IndexStrategy, PackageSettings, PythonPins
from infra.web.outbound import AddressRefused, OutboundAddresses

_LONGEST = 4096


class PythonChoice(NamedTuple):
    """What is done for a pinned Python that is not on this machine: uv gets it where `downloads`
    is set, and with `nearest` another does where that is not to be had."""

    pins: PythonPins
    downloads: bool


class PackageSourceRefused(Exception):
    """An environment's index is not asked; the text says why, and nothing secret."""


class PackageSources:
    """`usual` is where packages come from for every environment, unless it says otherwise, and
    `usual_credentials` open that by URL; `connections` open what environments name. Those lead
    where `outbound` allows alone. `build_variables` names what of the host's environment a build
    sees although it may hold a credential, and `pythons` says which interpreter it gets."""

    def __init__(
        self,
        usual: PackageIndexes,
        usual_credentials: Mapping[str, Credentials],
        strategy: IndexStrategy,
        connections: IndexCredentials,
        outbound: OutboundAddresses,
        build_variables: Sequence[str],
        pythons: PythonChoice,
    ) -> None:
        self.build_variables = build_variables
        self.pythons = pythons
        self._usual = usual
        self._usual_credentials = usual_credentials
        self.strategy: IndexStrategy = strategy
        self._connections = connections
        self._outbound = outbound

    @classmethod
    def of(
        cls, settings: PackageSettings, connections: IndexCredentials, outbound: OutboundAddresses
    ) -> Self:
        """As the settings have it."""
        own = (settings.index,) if settings.index is not None else ()
        return cls(
            PackageIndexes(
                settings.index.url if settings.index is not None else None,
                tuple(each.url for each in settings.extra_indexes),
            ),
            {
                each.url: each.credentials
                for each in (*own, *settings.extra_indexes)
                if each.credentials is not None
            },
            settings.index_strategy,
            connections,
            outbound,
            settings.build_variables,
            PythonChoice(settings.python_pins, settings.python_downloads),
        )

    def meant(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """`spec` with every index that its packages come from."""
        return replace(spec, indexes=spec.indexes.over(self._usual))

    def as_json(self, spec: EnvironmentSpec) -> str:
        """What a builder reads of `spec`, which is as `meant` says; it has nothing secret."""
        body: dict[str, object] = {"python": spec.python, "requirements": spec.requirements}
        if spec.indexes != NO_INDEXES:
            body["indexes"] = {**asdict(spec.indexes), "strategy": self.strategy}
        if spec.uploaded_before is not None:
            body["uploaded_before"] = spec.uploaded_before
        return json.dumps(body)

    async def credentials(self, spec: EnvironmentSpec) -> dict[str, Credentials]:
        """By URL, of the indexes of `spec`, which is as `meant` says. Raises
        PackageSourceRefused."""
        found: dict[str, Credentials] = {}
        for url in spec.indexes.urls:
            if url not in self._usual.urls:
                await self._check(url)
            try:
                opened = self._usual_credentials.get(url) or await self._connections.of(url)
            except Invalid as error:
                raise PackageSourceRefused(f"{url}: {error.message}") from None
            if opened is not None:
                found[url] = opened
        return found

    async def _check(self, url: str) -> None:
        """What a name leads to now is looked at. The tool that fetches looks it up again, and
        follows where it is sent: this keeps mistakes off, and is no wall."""
        try:
            self._outbound.parsed(url, longest=_LONGEST)
            plain = urlsplit(url).scheme == "http"
            for address in await _addresses(url):
                self._outbound.check(address, plain=plain)
        except AddressRefused as error:
            raise PackageSourceRefused(f"{url} is not asked for packages: {error}") from None


async def _addresses(url: str) -> Sequence[str]:
    """None where the name is not known here: behind a proxy, only that knows it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            urlsplit(url).hostname, None, type=socket.SOCK_STREAM
        )
    except OSError:
        return ()
    return [str(place[0]) for *_, place in found]
