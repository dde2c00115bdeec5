from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.infra.embedded.blobs.boxes import opened


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobStore]:
    blobs = opened(tmp_path)
    yield blobs
    await blobs.close()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    box = tmp_path / "blobs" / "box"
    box.mkdir(parents=True)
    return box
