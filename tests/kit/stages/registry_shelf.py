"""Environments as images in a registry of the test's own."""

import gzip
import hashlib
import platform
import shutil
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from domain.ports import NO_INDEXES, Credentials, EnvironmentSpec, PackageIndexes, ResourceStore
from infra.compute.local.premises import RUNTIME
from infra.compute.package_sources import PackageSources
from infra.compute.registry.dockerfiles.dockerfiles import NoDockerfiles
from infra.compute.registry.environment_images import EnvironmentImages, Shelf
from infra.compute.registry.image_manifest import (
    DOCKER_MANIFEST,
    OCI_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
    digest_of,
)
from infra.compute.registry.image_records import ImageRecords
from infra.compute.registry.image_sources import ImageSources
from infra.compute.registry.layer_builds import LayerBuilds
from infra.compute.registry.layer_file import Entry, Link, Text, write_layer
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.web.outbound import OutboundAddresses
from tests.kit.packages.usual import PRESENT, NoCredentials

UV = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = Platform("linux", {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()])
REPOSITORY = "ours/environments"


@dataclass
class RegistryShelf:
    """`images` are those of one host; `story` is what making them printed."""

    url: str
    folder: Path
    blobs: FileBlobStore
    store: ResourceStore
    packages: PackageSources
    images: EnvironmentImages
    registry: Registry
    records: ImageRecords
    story: list[str] = field(default_factory=list)

    async def ensure(self, spec: EnvironmentSpec) -> str:
        return await self.images.ensure(spec, self.story.append)

    @asynccontextmanager
    async def beside(self, name: str) -> AsyncIterator["RegistryShelf"]:
        """Of another host, which shares the stores."""
        given = (self.url, self.folder, name, self.blobs, self.store, self.packages)
        async with _opened(*given) as shelf:
            yield shelf

    async def put_base(
        self, name: str, entries: list[Entry], tag: str = VERSION, *, docker: bool = False
    ) -> str:
        """An image of a layer with `entries`; its digest."""
        folder = self.folder / "base"
        folder.mkdir(exist_ok=True)
        layer = write_layer(folder / f"{name}-{tag}".replace("/", "-"), entries)
        return await put_image(self.registry, name, tag, layer.path, layer.diff_id, docker=docker)


async def put_image(
    registry: Registry, name: str, tag: str, file: Path, diff_id: str, *, docker: bool = False
) -> str:
    """An image of one layer; its digest."""
    config = ImageConfig(
        {
            "os": HERE.os,
            "architecture": HERE.architecture,
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "OF_BASE=1"],
                "Entrypoint": ["/never"],
                "User": "somebody",
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    )
    kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
    of_config = "vnd.docker.container.image.v1" if docker else "vnd.oci.image.config.v1"
    manifest = Manifest(
        kind,
        Descriptor(f"application/{of_config}+json", digest_of(config.text), len(config.text)),
        (),
        {},
    )
    content = file.read_bytes()
    layer = Descriptor(manifest.layer_type, digest_of(content), len(content))
    await registry.ensure_blob(name, layer, file)
    await registry.ensure_blob(name, manifest.config, config.text)
    return await registry.put_manifest(name, tag, manifest.but(manifest.config, [layer], {}))


def packed(tar: Path) -> tuple[Path, str]:
    """A tar as a layer, and what it is called unpacked."""
    file = tar.with_suffix(".gz")
    with tar.open("rb") as plain, gzip.open(file, "wb", 1) as target:
        shutil.copyfileobj(plain, target)
    with tar.open("rb") as plain:
        return file, f"sha256:{hashlib.file_digest(plain, 'sha256').hexdigest()}"


def fake_python(version: str = VERSION, mark: str = "") -> list[Entry]:
    """What a base shows of its Python, of which nothing runs here."""
    return [
        Text(f"usr/bin/python{version}", b"not run", 0o755),
        Link("usr/bin/python3", f"python{version}"),
        Link("bin", "usr/bin"),
        Text("etc/mark", mark.encode()),
    ]


def packages_of(*indexes: str, opened: dict[str, Credentials] | None = None) -> PackageSources:
    usual = PackageIndexes(indexes[0]) if indexes else NO_INDEXES
    return PackageSources(
        usual, opened or {}, "first-index", NoCredentials(), OutboundAddresses(()), (), PRESENT
    )


@asynccontextmanager
async def shelf_at(
    url: str, folder: Path, packages: PackageSources
) -> AsyncIterator[RegistryShelf]:
    """Of one host."""
    folder.mkdir(parents=True, exist_ok=True)
    blobs = FileBlobStore(folder, base_url="http://localhost", key=b"k" * 32)
    store = SqliteResourceStore(folder / "documents.db")
    try:
        async with _opened(url, folder, "one", blobs, store, packages) as shelf:
            yield shelf
    finally:
        await blobs.close()
        await store.close()


@asynccontextmanager
async def _opened(
    url: str,
    folder: Path,
    name: str,
    blobs: FileBlobStore,
    store: ResourceStore,
    packages: PackageSources,
) -> AsyncIterator[RegistryShelf]:
    registry = Registry(RegistryCalls(url, None))
    records = ImageRecords(store, blobs)
    scratch = folder / f"scratch-{name}"
    images = EnvironmentImages(
        Shelf(registry, REPOSITORY),
        ImageSources(registry, HERE),
        LayerBuilds(scratch, RUNTIME, UV, packages),
        records,
        packages,
        lambda spec: f"{registry.host}/base:{spec.python}",
        NoDockerfiles(),
        scratch=scratch,
    )
    try:
        yield RegistryShelf(url, folder, blobs, store, packages, images, registry, records)
    finally:
        await images.close()


async def unpacked(registry: Registry, image: str, target: Path) -> Manifest:
    """An image's files below `target`, as an engine would show them."""
    name, _, digest = image.partition("@")
    repository = name.partition("/")[2]
    found = await registry.manifest(repository, digest)
    assert found is not None
    target.mkdir()
    for number, layer in enumerate(found.manifest.layers):
        path = target.with_name(f"{target.name}.{number}")
        path.write_bytes(b"".join([piece async for piece in registry.read_blob(repository, layer)]))
        with tarfile.open(path) as tar:
            tar.extractall(target, filter="tar")
        path.unlink()
    return found.manifest
