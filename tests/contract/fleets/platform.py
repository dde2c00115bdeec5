"""A platform that the contract of a fleet is tried on."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.compute.remote.fleet import Fleet
from infra.embedded.blobs.file_blob_store import FileBlobStore

Opener = Callable[[FileBlobStore, Path, str], Fleet]


@dataclass(frozen=True)
class Platform:
    """`open` is a fleet on it, of a host of an installation; `nowhere` one that is not there, of
    which `missing` is said."""

    name: str
    open: Opener
    nowhere: Opener
    missing: str
    numbers: Iterator[int] = field(default_factory=itertools.count)
