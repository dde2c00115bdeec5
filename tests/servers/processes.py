"""Azurite and the npm Cosmos DB server as processes on free ports of 127.0.0.1."""

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kit.waiting import PATIENCE, until
from tests.servers.install import HERE, installed, node

COSMOS_KEY = base64.b64encode(b"the npm server checks no signature").decode()
STORAGE_KEY = base64.b64encode(b"a key for tests on this machine").decode()
STORAGE_ACCOUNTS = 600
_LISTENS = re.compile(r"https?://127\.0\.0\.1:([1-9]\d*)(?=\D)")


@dataclass(frozen=True)
class Tls:
    """PEM files; the certificate is its own authority."""

    certificate: Path
    key: Path


class NodeServer:
    """A script under Node.js, from when it says where it listens until `stop`, or the end of
    this process, however that ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            [*node(), "--require", str(HERE / "lifeline.cjs"), *command],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        try:
            self.port = self._await_port()
        except BaseException:  # interrupted too: `__exit__` will not come
            self.stop()
            raise

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _await_port(self) -> int:
        def told() -> int | None:
            # Not by seeking: the server shares the position, and writes where it is.
            said = os.pread(self._output.fileno(), 65536, 0).decode(errors="replace")
            found = _LISTENS.search(said)
            if found is None and self._process.poll() is not None:
                raise RuntimeError(f"The server ended at its start:\n{said}")
            return None if found is None else int(found[1])

        return until(told, "the port that the server says")


class CosmosServer(NodeServer):
    """In memory. Over plain HTTP its account still names itself as an https: endpoint, so
    clients must not discover endpoints."""

    def __init__(self, tls: Tls | None = None) -> None:
        files = [] if tls is None else [str(tls.certificate), str(tls.key)]
        super().__init__([str(HERE / "cosmos.cjs"), str(installed()), *files], {})
        self.endpoint = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"


class BlobServer(NodeServer):
    """Azurite's Blob service, in memory, with STORAGE_ACCOUNTS accounts: one for each test.
    With TLS it takes the tokens of identities as well, whoever signed them."""

    def __init__(self, tls: Tls | None = None) -> None:
        script = installed() / "azurite" / "dist" / "src" / "blob" / "main.js"
        accounts = [f"account{n}:{STORAGE_KEY}" for n in range(STORAGE_ACCOUNTS)]
        flags = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]
        if tls is not None:
            flags += ["--oauth", "basic", "--cert", str(tls.certificate), "--key", str(tls.key)]
        super().__init__(
            [str(script), "--blobPort", "0", *flags],
            {"AZURITE_ACCOUNTS": ";".join(accounts)},
        )
        self._account = 0

    def new_account(self) -> str:
        """The connection string of an account that nobody has used."""
        name = f"account{self._account}"
        self._account += 1
        if self._account > STORAGE_ACCOUNTS:
            raise RuntimeError("More tests than storage accounts; raise STORAGE_ACCOUNTS.")
        return connection_string(name, self.port)


def connection_string(account: str, port: int) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={STORAGE_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{account};"
    )
