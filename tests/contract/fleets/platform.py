"""A platform that the contract of a fleet is tried on."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.compute.remote.fleet import Fleet, Node
from infra.embedded.blobs.file_blob_store import FileBlobStore

Opener = Callable[[FileBlobStore, Path, str], Fleet]


async def as_the_agent_says(node: Node) -> bool:
    return True


@dataclass(frozen=True)
class Platform:
    """`open` is a fleet on it, of a host of an installation; `nowhere` one that is not there, of
    which `missing` is said. `keeps_words`: what a node has printed stays there for a while
    when it is taken away. `counts` tells whether the platform itself has a node whose agent is
    ready for ready: of those that are to be fewer, the ones that it has not go first."""

    name: str
    open: Opener
    nowhere: Opener
    missing: str
    keeps_words: bool = True
    counts: Callable[[Node], Awaitable[bool]] = as_the_agent_says
    numbers: Iterator[int] = field(default_factory=itertools.count)
