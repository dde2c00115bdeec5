"""Rows of files that only a library can read."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class TableRows:
    """The first rows of a table, with values that JSON has; `why` says why there are none."""

    columns: list[str] | None
    rows: list[list[Any]]
    why: str | None = None


class ParquetRows(Protocol):
    @abstractmethod
    async def first(self, content: AsyncIterator[bytes], most: int) -> TableRows:
        """The first `most` rows of a Parquet file, whatever its bytes are: a file that cannot be
        read, or is more than may be read, has none."""
