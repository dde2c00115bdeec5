"""What containers may not reach, on a real engine: a door at an address like those of clouds'
metadata, beside the engine's machine."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from secrets import randbelow, token_hex
from typing import Any

import pytest

from infra.compute.docker.engine import Engine, EngineRefusal, printed
from infra.compute.docker.image_builds import ImageBuilds
from infra.compute.docker.labels import INSTALLATION, Labels
from infra.compute.docker.network.metadata_guard import MetadataGuard
from infra.compute.docker.network.networks import Networks
from tests.servers.engine.dockerd import BASE, VERSION
from tests.servers.engine.given import given_engine
from tests.servers.engine.required import without

IMAGE = BASE.format(python=VERSION)
PORT = 8080
_LISTENS = f"""
import socket
door = socket.create_server(("", {PORT}))
print("open", flush=True)
while True:
    door.accept()[0].close()
"""
_KNOCKS = """
import errno, socket, sys
from concurrent.futures import ThreadPoolExecutor

def knocked(door):
    address, port, device = door.split(",")
    with socket.socket() as caller:
        if device:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        try:
            caller.connect((address, int(port)))
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
    return "let"

with ThreadPoolExecutor(len(sys.argv)) as threads:
    print(*threads.map(knocked, sys.argv[1:]))
"""
REFUSED = {"EACCES", "EHOSTUNREACH", "ENETUNREACH"}


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(given_engine().url)
    yield engine
    await engine.close()


@pytest.fixture
async def mine(engine: Engine) -> AsyncIterator[Labels]:
    labels = Labels(f"guard{token_hex(4)}")
    yield labels
    await networks(engine, IMAGE).remove(labels)
    left = await engine.get("containers/json", all=True, filters={"label": [labels.mine]})
    assert left == []


@pytest.fixture
def metadata() -> Iterator[str]:
    """The address of a door beside this machine, which has a route to it."""
    if shutil.which("ip") is None:
        without("there is no ip (apt-get install iproute2)")
    with beside() as address:
        yield address


@contextmanager
def beside() -> Iterator[str]:
    name, block = f"mle{token_hex(4)}", f"169.254.{randbelow(250) + 1}.{4 * randbelow(63)}"
    first = block.rpartition(".")[0] + "."
    own, there = (first + str(int(block.rpartition(".")[2]) + each) for each in (1, 2))
    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{own}/30", "dev", name)
        ip("link", "set", name, "up")
        ip("-n", name, "addr", "add", f"{there}/30", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", own)
        command = ["ip", "netns", "exec", name, sys.executable, "-I", "-c", _LISTENS]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as door:
            assert door.stdout is not None
            assert door.stdout.readline() == "open\n"
            yield there
            door.kill()
    finally:
        ip("netns", "del", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def networks(engine: Engine, image: str, *, required: bool = False) -> Networks:
    guard = MetadataGuard(engine, ImageBuilds(engine, {}), image, required=required)
    return Networks(engine, guard, closed=False)


async def knocked(engine: Engine, labels: Labels, network: str, *doors: str) -> list[str]:
    """What came of each, `address,port,interface`, from a container in this network."""
    body: dict[str, Any] = {
        "Image": IMAGE,
        "Entrypoint": ["python3", "-I", "-c", _KNOCKS, *doors],
        "User": "10001:10001",
        "Labels": {INSTALLATION: labels.installation},
        "HostConfig": {"NetworkMode": network, "CapDrop": ["ALL"]},
    }
    made = await engine.post("containers/create", body, limit=120)
    path = f"containers/{made['Id']}"
    try:
        await engine.post(f"{path}/start", limit=120)
        await engine.post(f"{path}/wait", limit=300)
        return printed(await engine.text(f"{path}/logs", stdout=True, stderr=True)).split()
    finally:
        await engine.delete(path, force=True)


async def test_what_is_in_the_network_reaches_no_cloud_metadata(
    engine: Engine, mine: Labels, metadata: str
) -> None:
    guarded = networks(engine, IMAGE, required=True)
    gateway = (await guarded.gateway(mine)).address
    [network] = await engine.get("networks", filters={"label": [mine.mine]})
    doors = (
        f"{metadata},{PORT},",
        # Whoever says by which of its interfaces it wants to go.
        f"{metadata},{PORT},eth0",
        *("169.254.169.254,80,", "168.63.129.16,80,", "100.100.100.200,80,", "192.0.0.192,80,"),
    )
    # Before it is guarded the way is open.
    assert await knocked(engine, mine, network["Id"], *doors[:2]) == ["let", "let"]
    assert await guarded.ensure(mine, closed=False) == network["Id"]
    refused = await knocked(engine, mine, network["Id"], *doors)
    assert set(refused) <= REFUSED, refused
    # What is not kept from it is reached: nobody is at home there, which its machine says.
    assert await knocked(engine, mine, network["Id"], f"{gateway},9,") == ["ECONNREFUSED"]


async def test_where_it_cannot_be_held_that_is_told_and_may_be_required(
    engine: Engine, mine: Labels
) -> None:
    image = "ml-endpoints-nowhere.invalid/none:1"
    guard = MetadataGuard(engine, ImageBuilds(engine, {}), image, required=False)
    assert guard.fault is None
    assert await Networks(engine, guard, closed=False).ensure(mine, closed=False)
    assert guard.fault is not None
    assert image in guard.fault
    with pytest.raises(EngineRefusal, match="ML_ENDPOINTS_ISOLATION is required"):
        await networks(engine, image, required=True).ensure(mine, closed=False)
