"""What a mini-batch is measured in, and where the next one begins."""

from abc import abstractmethod
from enum import StrEnum
from typing import Protocol


class MiniBatchBy(StrEnum):
    """FILES: a number of files, as Azure ML has it. BYTES: whole files of so many bytes
    together. ROWS: rows; a file with more of them is cut, and each piece read alone."""

    FILES = "Files"
    BYTES = "Bytes"
    ROWS = "Rows"

    @classmethod
    def _missing_(cls, value: object) -> "MiniBatchBy | None":
        return next((b for b in cls if b.value.casefold() == str(value).casefold()), None)


MOST_SIZE = 2**40
_SIZES = {
    MiniBatchBy.FILES: range(1, 1_000_001),
    MiniBatchBy.BYTES: range(1024, MOST_SIZE + 1),
    MiniBatchBy.ROWS: range(1, 1_000_000_001),
}
_DEFAULTS = {
    MiniBatchBy.FILES: 10,
    MiniBatchBy.BYTES: 64 * 2**20,
    MiniBatchBy.ROWS: 10_000,
}
_MOST_FILES = 10_000
"""In a mini-batch that is measured in bytes or rows: files that have hardly any would make it
as long as the job."""


def default_size(by: MiniBatchBy) -> int:
    return _DEFAULTS[by]


def size_fault(by: MiniBatchBy, size: int) -> str | None:
    """Why a mini-batch cannot have this size, or None."""
    sizes = _SIZES[by]
    if size in sizes:
        return None
    return f"With miniBatchBy {by.value}, miniBatchSize is {sizes.start} to {sizes.stop - 1}"


class Cut(Protocol):
    @abstractmethod
    def begins(self, weight: int) -> bool:
        """Whether the next file begins a mini-batch; to be asked once for each."""


class MiniBatchCut(Cut):
    """Tells where mini-batches begin, of files that come in order with what each weighs in
    the unit of `by`. One of the full size or more stands alone."""

    def __init__(self, by: MiniBatchBy, size: int) -> None:
        self._size = size
        self._most_files = size if by is MiniBatchBy.FILES else _MOST_FILES
        self._files = self._held = 0

    def begins(self, weight: int) -> bool:
        weight = max(1, weight)
        self._files += 1
        self._held += weight
        if 1 < self._files <= self._most_files and self._held <= self._size:
            return False
        self._files, self._held = 1, weight
        return True


class EachAlone(Cut):
    """Every file, or piece of one, is a mini-batch: of the files of others none is at fault when
    it fails."""

    def begins(self, weight: int) -> bool:
        return True
