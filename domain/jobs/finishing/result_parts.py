"""The parts of a job's output: which block holds the rows of which unit."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.jobs.records.batch_unit import Block


@dataclass(frozen=True)
class Part:
    """The rows of one unit. `order` maps the output's columns to the block's; None: as is."""

    unit: int
    block: Block
    rows: int
    order: tuple[int, ...] | None


class Parts:
    """In order of the units. Packed: a job has up to 40,000 of them, and they must not tell in
    the memory of whoever joins it."""

    def __init__(self) -> None:
        self._units = array("Q")
        self._rows = array("Q")
        self._lengths = array("Q")
        self._ids: list[str] = []
        self._digests = bytearray()
        self._digest_ends = array("Q")
        # Few units need one, and most of those the same: it is kept once.
        self._orders: dict[int, tuple[int, ...]] = {}
        self._known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def append(self, part: Part) -> None:
        if part.order is not None:
            self._orders[len(self)] = self._known.setdefault(part.order, part.order)
        self._units.append(part.unit)
        self._rows.append(part.rows)
        self._lengths.append(part.block.length)
        self._ids.append(part.block.id)
        self._digests += part.block.digest.encode()
        self._digest_ends.append(len(self._digests))

    def __len__(self) -> int:
        return len(self._units)

    def __getitem__(self, index: int) -> Part:
        """`index` counts from 0."""
        begin = self._digest_ends[index - 1] if index else 0
        digest = self._digests[begin : self._digest_ends[index]].decode()
        block = Block(id=self._ids[index], length=self._lengths[index], digest=digest)
        return Part(self._units[index], block, self._rows[index], self._orders.get(index))

    def __iter__(self) -> Iterator[Part]:
        return (self[index] for index in range(len(self)))

    @property
    def block_ids(self) -> Sequence[str]:
        return self._ids

    @property
    def length(self) -> int:
        """Bytes of all blocks together."""
        return sum(self._lengths)

    @property
    def are_in_order(self) -> bool:
        """Whether every block has the output's columns in the output's order."""
        return not self._orders
