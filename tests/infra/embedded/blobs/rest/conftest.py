"""Azure's own clients, blocking and not, at an embedded store's signed URLs."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.blob import aio as storage

from domain.ports import Permission
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.stages import door_stage
from tests.kit.waiting import PATIENCE

Signed = Callable[..., str]
SDK: Any = {"retry_total": 0, "connection_timeout": PATIENCE, "read_timeout": PATIENCE}


@pytest.fixture(scope="session")
def door() -> Iterator[door_stage.DoorServer]:
    """Over plain HTTP."""
    with door_stage.serving() as server:
        yield server


@pytest.fixture
def store(door: door_stage.DoorServer, tmp_path: Path) -> Iterator[FileBlobStore]:
    with door.opened(tmp_path) as store:
        yield store


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """The folder that is the container `box`."""
    return tmp_path / "blobs" / "box"


@pytest.fixture
def signed(store: FileBlobStore) -> Signed:
    """A URL of the container `box`, or of a blob in it."""

    def sign(name: str | None = None, permissions: str = "rwdl", *, expires: float = 3600) -> str:
        return store.signed_urls.sign(
            "box",
            name,
            frozenset(Permission(letter) for letter in permissions),
            timedelta(seconds=expires),
        )

    return sign


@pytest.fixture
def container(signed: Signed) -> Iterator[ContainerClient]:
    with ContainerClient.from_container_url(signed(), **SDK) as client:
        yield client


@pytest.fixture
async def aio_container(signed: Signed) -> AsyncIterator[storage.ContainerClient]:
    async with storage.ContainerClient.from_container_url(signed(), **SDK) as client:
        yield client
