"""The client of registries, against Debian's docker-registry."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from domain.errors import Unavailable
from domain.ports import Credentials
from infra.compute.registry.image_manifest import (
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    NotAnImage,
    Platform,
    digest_of,
    of_platform,
)
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_access import AccessRefused, RegistryAccess
from infra.compute.registry.registry_calls import RegistryCalls, RegistryRefusal
from tests.kit.waiting import patience
from tests.servers.fault_proxy import Fault, FaultProxy, How, answer
from tests.servers.registry.docker_registry import USER, DockerRegistry, with_password
from tests.servers.registry.given import given_registry
from tests.servers.registry.token_issuer import token_issuer

CONTENT = bytes(range(256)) * 33_000
"""More than is sent in one piece."""
LAYER = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest_of(CONTENT), len(CONTENT))
CONFIG = ImageConfig({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}})
IMAGE = Manifest(
    OCI_MANIFEST,
    Descriptor(
        "application/vnd.oci.image.config.v1+json", digest_of(CONFIG.text), len(CONFIG.text)
    ),
    (LAYER,),
    {},
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with given_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@asynccontextmanager
async def opened(url: str, credentials: Credentials | None = None) -> AsyncIterator[Registry]:
    registry = Registry(RegistryCalls(url, credentials))
    try:
        async with patience():
            yield registry
    finally:
        await registry.close()


@pytest.fixture
async def registry(served: DockerRegistry) -> AsyncIterator[Registry]:
    async with opened(served.url) as registry:
        yield registry


@pytest.fixture
async def proxy(served: DockerRegistry) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(served.url) as proxy:
        yield proxy


async def put(registry: Registry, repository: str, tag: str = "1") -> str:
    await registry.ensure_blob(repository, LAYER, CONTENT)
    await registry.ensure_blob(repository, IMAGE.config, CONFIG.text)
    return await registry.put_manifest(repository, tag, IMAGE)


async def read(registry: Registry, repository: str) -> bytes:
    return b"".join([piece async for piece in registry.read_blob(repository, LAYER)])


async def test_what_is_put_is_there_by_tag_and_digest(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "layer"
    file.write_bytes(CONTENT)
    assert not await registry.has_blob("plain/a", LAYER.digest)
    assert await registry.manifest("plain/a", "1") is None
    await registry.ensure_blob("plain/a", LAYER, file)
    digest = await put(registry, "plain/a")
    for reference in ("1", digest):
        found = await registry.manifest("plain/a", reference)
        assert found is not None
        assert (found.manifest, found.digest) == (IMAGE, digest)
        assert await registry.digest("plain/a", reference) == digest
    assert await registry.small_blob("plain/a", IMAGE.config) == CONFIG.text
    assert await read(registry, "plain/a") == CONTENT
    assert await registry.delete_manifest("plain/a", digest)
    assert not await registry.delete_manifest("plain/a", digest)
    assert await registry.digest("plain/a", "1") is None


async def test_a_layer_is_mounted_from_another_repository(
    registry: Registry, served: DockerRegistry
) -> None:
    await put(registry, "mounted/from")
    assert await registry.mount_blob("mounted/to", LAYER.digest, "mounted/from")
    assert await read(registry, "mounted/to") == CONTENT
    absent = digest_of(b"absent")
    assert not await registry.mount_blob("mounted/to", absent, "mounted/from")
    assert not [name for name in served.names() if "_uploads" in name]


async def test_content_that_is_not_what_its_digest_says_is_refused(
    registry: Registry, served: DockerRegistry
) -> None:
    wrong = Descriptor(LAYER.media_type, digest_of(b"other"), len(CONTENT))
    with pytest.raises(RegistryRefusal, match="digest"):
        await registry.ensure_blob("wrong", wrong, CONTENT)
    with pytest.raises(RegistryRefusal, match="shorter than it was"):
        await registry.ensure_blob(
            "wrong", Descriptor(LAYER.media_type, LAYER.digest, len(CONTENT) + 1), CONTENT
        )
    with pytest.raises(RegistryRefusal, match="unknown"):
        await registry.put_manifest("wrong", "1", IMAGE)
    await registry.ensure_blob("wrong", LAYER, CONTENT)
    longer = Descriptor(LAYER.media_type, LAYER.digest, len(CONTENT) - 1)
    with pytest.raises(RegistryRefusal, match="not what its digest says"):
        _ = [piece async for piece in registry.read_blob("wrong", longer)]
    with pytest.raises(RegistryRefusal, match="bytes"):
        await registry.small_blob("wrong", LAYER)
    assert not [name for name in served.names() if "_uploads" in name]


async def test_an_upload_that_is_broken_off_leaves_nothing(
    served: DockerRegistry, proxy: FaultProxy
) -> None:
    reached = asyncio.Event()

    def hangs(method: str, path: str) -> bool:
        if method == "PATCH":
            reached.set()
        return method == "PATCH"

    proxy.next(Fault(How.HANG), when=hangs)
    async with opened(proxy.url) as registry:
        sending = asyncio.create_task(registry.ensure_blob("broken", LAYER, CONTENT))
        await reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not await registry.has_blob("broken", LAYER.digest)
    assert not [name for name in served.names() if "broken" in name]


@pytest.mark.parametrize("how", [How.CUT, How.CUT_AFTER], ids=str)
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
async def test_what_a_network_loses_is_sent_again(proxy: FaultProxy, how: How, method: str) -> None:
    proxy.next(Fault(how), when=lambda asked, path: asked == method)
    repository = f"lost/{method.lower()}-{how.name.lower().replace('_', '-')}"
    async with opened(proxy.url) as registry:
        await put(registry, repository)
        assert await read(registry, repository) == CONTENT
    assert not proxy.left


async def test_a_busy_registry_is_asked_again(proxy: FaultProxy) -> None:
    proxy.next(answer(429, b'{"errors":[]}', Retry_After="0"), answer(503, b"busy"))
    async with opened(proxy.url) as registry:
        assert await registry.digest("busy", "1") is None
    assert not proxy.left


async def test_a_registry_that_is_down_is_told_as_such(served: DockerRegistry) -> None:
    async with FaultProxy(served.url) as gone:
        url = gone.url
    async with opened(url) as registry:
        with pytest.raises(Unavailable, match=rf"The registry {registry.host} does not answer"):
            await registry.digest("any", "1")


async def test_a_layer_that_breaks_off_while_it_is_read_is_no_layer(proxy: FaultProxy) -> None:
    async with opened(proxy.url) as registry:
        await put(registry, "half")
        proxy.next(Fault(How.CUT_BODY), when=lambda method, path: "/blobs/" in path)
        with pytest.raises(Unavailable, match="does not answer"):
            await read(registry, "half")


async def test_a_manifest_that_breaks_off_while_it_is_read_is_asked_for_later(
    proxy: FaultProxy,
) -> None:
    async with opened(proxy.url) as registry:
        await put(registry, "cut")
        proxy.next(Fault(How.CUT_BODY), when=lambda method, path: "/manifests/" in path)
        with pytest.raises(Unavailable, match="does not answer"):
            await registry.digest("cut", "1")
        assert await registry.digest("cut", "1")


@pytest.mark.parametrize(
    ("realm", "body", "told"),
    [
        ("HERE/token", b"<html>", "gives none"),
        ("HERE/token", b'{"token":"' + b"x" * 2**21 + b'"}', "far too much"),
        ("http://[/token", b"", "to no address"),
    ],
)
async def test_an_issuer_that_says_nonsense_opens_nothing(
    proxy: FaultProxy, realm: str, body: bytes, told: str
) -> None:
    challenge = f'Bearer realm="{realm.replace("HERE", proxy.url)}",service="x"'
    proxy.next(answer(401, WWW_Authenticate=challenge), answer(200, body))
    async with opened(proxy.url) as registry:
        with pytest.raises(RegistryRefusal, match=told):
            await registry.digest("any", "1")


async def test_a_registry_with_a_password_is_opened_by_it(tmp_path: Path) -> None:
    with given_registry(tmp_path, with_password(tmp_path)) as served:
        async with opened(served.url, USER) as registry:
            await put(registry, "private")
            assert await read(registry, "private") == CONTENT
        async with opened(served.url, Credentials("me", "wrong")) as registry:
            with pytest.raises(RegistryRefusal, match="lets nobody in as is set"):
                await registry.digest("private", "1")
        async with opened(served.url) as registry:
            with pytest.raises(RegistryRefusal, match="does not take the credentials"):
                await registry.digest("private", "1")


async def test_a_registry_with_tokens_is_opened_by_those_that_its_issuer_gives(
    tmp_path: Path,
) -> None:
    with (
        token_issuer(tmp_path, USER) as issuer,
        given_registry(tmp_path, issuer.auth) as served,
    ):
        async with opened(served.url, USER) as registry:
            await put(registry, "private/a")
            assert await registry.mount_blob("private/b", LAYER.digest, "private/a")
            assert await read(registry, "private/b") == CONTENT
        # A token is asked for once for each thing that it is to open.
        assert len(issuer.asked) == len(set(issuer.asked)) == 4
        async with opened(served.url, Credentials("me", "wrong")) as registry:
            with pytest.raises(RegistryRefusal, match="issuer of tokens answers 401"):
                await registry.digest("private/a", "1")


async def test_a_registry_with_tls_is_sent_for_tokens_with_tls_alone(proxy: FaultProxy) -> None:
    access = RegistryAccess(USER, plain=False)
    challenge = f'Bearer realm="{proxy.url}/token",service="x"'
    async with aiohttp.ClientSession() as session:
        with pytest.raises(AccessRefused, match="without TLS"):
            await access.challenged(session, challenge, "repository:a:pull", None)
        with pytest.raises(AccessRefused, match="not known here"):
            await access.challenged(session, "Digest x", "repository:a:pull", None)
    assert not proxy.requests


def index(*platforms: dict[str, str]) -> bytes:
    rows = [
        {"mediaType": OCI_MANIFEST, "digest": digest_of(bytes([n])), "size": n, "platform": each}
        for n, each in enumerate(platforms)
    ]
    return json.dumps({"manifests": rows}).encode()


def test_of_several_images_that_of_the_platform_is_meant() -> None:
    arm: dict[str, Any] = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    old = {"os": "linux", "architecture": "arm", "variant": "v7"}
    text = index(old, arm, {"os": "linux", "architecture": "amd64"})
    assert of_platform(text, Platform("linux", "arm64")).size == 1
    assert of_platform(text, Platform("linux", "amd64")).size == 2
    with pytest.raises(NotAnImage, match=r"only for linux/arm, linux/arm64, linux/amd64"):
        of_platform(text, Platform("linux", "riscv64"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"layers":[],"config":{}}',
        b'{"layers":[],"config":{"mediaType":"x","digest":"md5:1","size":1}}',
        b'{"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}',
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(NotAnImage):
        Manifest.read(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"rootfs": []},
        {"rootfs": {"diff_ids": "x"}},
        {"config": ["x"]},
        {"config": {"Env": 1}},
        {"config": {"Env": [1]}},
        {"config": {"Labels": "x"}},
    ],
)
def test_a_configuration_that_says_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAnImage):
        ImageConfig.read(json.dumps({**CONFIG.body, **changes}).encode())
