"""The blobs that collections are written into, a block for each time of writing."""

import secrets
from dataclasses import dataclass, field
from typing import Final

from domain.collecting.collected_record import Line
from domain.ports import BlobFolder, BlobStore

_LARGEST: Final = 64 * 2**20
_MOST_BLOCKS: Final = 10_000
_CONTENT: Final = "application/x-ndjson"


@dataclass
class _File:
    name: str
    blocks: list[str] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return self.size >= _LARGEST or len(self.blocks) >= _MOST_BLOCKS


class CollectionFiles:
    """One gateway's: no other writes into its blobs, and it reads none of them. In one folder it
    has one blob at a time, of some 64 MiB at most, so that adding to it stays cheap."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._writer = secrets.token_hex(8)
        self._opened = 0
        self._files: dict[BlobFolder, _File] = {}

    async def append(self, folder: BlobFolder, lines: list[Line], names: list[str]) -> None:
        """All of them, or none: what fails may be tried again. `names` are those of the blobs
        that have what the lines refer to."""
        for line, name in zip(lines, names, strict=True):
            if line.beside is not None:
                await self._blobs.write(folder.container, name, line.beside)
        file = self._file(folder)
        content = b"".join(line.text for line in lines)
        block = secrets.token_hex(16)
        await self._blobs.stage_block(folder.container, file.name, block, content)
        blocks = [*file.blocks, block]
        await self._blobs.commit_blocks(folder.container, file.name, blocks, content_type=_CONTENT)
        file.blocks.append(block)
        file.size += len(content)

    def forget(self, folders: set[BlobFolder]) -> None:
        """All others are not written into any more; who comes to one later begins another blob."""
        for folder in self._files.keys() - folders:
            del self._files[folder]

    def _file(self, folder: BlobFolder) -> _File:
        file = self._files.get(folder)
        if file is None or file.is_full:
            self._opened += 1
            name = f"{folder.path}/{self._writer}-{self._opened:06}.jsonl"
            file = self._files[folder] = _File(name)
        return file
