"""`python -m tests.servers COMMAND ...`: run a command with Azurite, the npm Cosmos DB server
and the Service Bus broker up on this machine, and with the settings that name them in its
environment. The servers end with the command, and with this process, however that ends."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.servers.processes import COSMOS_KEY, BlobServer, CosmosServer


@contextmanager
def cloud_settings() -> Iterator[dict[str, str]]:
    """The servers, and what the app must be told to run on them."""
    with CosmosServer() as cosmos, BlobServer() as blobs, service_bus() as bus:
        # The Cosmos DB server does tens of operations a second: 500 arrivals take longer to
        # be told than they took to land.
        quiet = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": "10"}
        yield {**settings_of(cosmos, blobs, bus), **quiet}


def settings_of(cosmos: CosmosServer, blobs: BlobServer, service_bus: str) -> dict[str, str]:
    """What the app must be told to run on these servers, with a storage account of its own."""
    return {
        "ML_ENDPOINTS_PLATFORM": "azure",
        "CosmosConnection": f"AccountEndpoint={cosmos.endpoint}/;AccountKey={COSMOS_KEY};",
        "ServiceBusConnection": service_bus,
        "BlobConnection": blobs.new_account(),
        "ML_ENDPOINTS_CIPHER_KEY": "a key for servers on this machine alone",
    }


@contextmanager
def service_bus(*options: str) -> Iterator[str]:
    """The connection string of a broker in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.servers.service_bus", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as broker:
        assert broker.stdin is not None
        assert broker.stdout is not None
        try:
            yield broker.stdout.readline().strip()
        finally:
            broker.stdin.close()


def main(command: Sequence[str]) -> int:
    if not command:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    with cloud_settings() as settings:
        return subprocess.call(command, env={**os.environ, **settings})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
