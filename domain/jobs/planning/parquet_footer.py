"""How many rows a Parquet file has, from its footer alone (docs/adr/0014).

The footer is one struct in Thrift's compact protocol; of it the total and the row groups' numbers
of rows are read, and everything else is skipped. The bytes are a user's: whatever they say,
reading them takes time and memory in proportion to their number.
"""

from domain.jobs.planning.row_formats import RowsUnreadable

TAIL = 8
"""Bytes at a file's end that tell how long the footer before them is."""
_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_LONGEST = 256 * 2**20
_DEEPEST = 32

# Field numbers in parquet.thrift.
_NUM_ROWS = 3
_ROW_GROUPS = 4
_NUM_ROWS_OF_GROUP = 3

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    *(0, 1, 2, 3, 7, 8, 9, 10, 11, 12),
)
_INTEGERS = (4, 5, 6)


class _Malformed(Exception):
    """The bytes are no footer."""


def footer_length(tail: bytes, size: int, name: str) -> int:
    """From the last TAIL bytes of a file of `size` bytes. Raises RowsUnreadable."""
    if tail[4:] == _ENCRYPTED:
        raise _unreadable(name, "its footer is encrypted")
    length = int.from_bytes(tail[:4], "little")
    if len(tail) != TAIL or tail[4:] != _MAGIC or length + TAIL + len(_MAGIC) > size:
        raise _unreadable(name, "it is no Parquet file")
    if length > _LONGEST:
        raise _unreadable(name, f"its footer is over {_LONGEST // 2**20} MiB long")
    return length


def rows_in(footer: bytes, name: str) -> int:
    """The rows of the file whose footer this is. Raises RowsUnreadable, also where total and
    row groups disagree."""
    try:
        total, in_groups = _Footer(footer).rows()
    except (_Malformed, IndexError):
        raise _unreadable(name, "its footer cannot be read") from None
    if total < 0 or total != in_groups:
        raise _unreadable(name, "its footer contradicts itself about the number of rows")
    return total


def _unreadable(name: str, why: str) -> RowsUnreadable:
    return RowsUnreadable(f"The rows of '{name}' cannot be told apart: {why}.")


class _Footer:
    """Raises _Malformed, or IndexError past the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def rows(self) -> tuple[int, int]:
        """The total, and the sum over the row groups."""
        total, in_groups, field = -1, 0, 0
        while (kind := (head := self._byte()) & 0x0F) != _STOP:
            field = self._field(field, head)
            if field == _NUM_ROWS and kind in _INTEGERS:
                total = self._integer()
            elif field == _ROW_GROUPS and kind == _LIST:
                count, kind = self._list_head()
                if kind != _STRUCT:
                    raise _Malformed
                for _ in range(count):
                    in_groups += self._rows_of_group()
            else:
                self._skip(kind, 0)
        return total, in_groups

    def _rows_of_group(self) -> int:
        rows, field = -1, 0
        while (kind := (head := self._byte()) & 0x0F) != _STOP:
            field = self._field(field, head)
            if field == _NUM_ROWS_OF_GROUP and kind in _INTEGERS:
                rows = self._integer()
            else:
                self._skip(kind, 0)
        if rows < 0:
            raise _Malformed
        return rows

    def _field(self, last: int, head: int) -> int:
        """The number of the field that `head` begins."""
        return last + (head >> 4) if head >> 4 else self._integer()

    def _byte(self) -> int:
        value = self._content[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise _Malformed

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _list_head(self) -> tuple[int, int]:
        """How many elements, and of what kind. An element has at least one byte."""
        head = self._byte()
        count = head >> 4
        if count == 15:
            count = self._varint()
        if count > len(self._content) - self._at:
            raise _Malformed
        return count, head & 0x0F

    def _skip(self, kind: int, depth: int, *, in_list: bool = False) -> None:
        if depth > _DEEPEST:
            raise _Malformed
        if kind in (_TRUE, _FALSE):
            self._at += 1 if in_list else 0  # a field's value is its kind
        elif kind == _BYTE:
            self._at += 1
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in (_LIST, _SET):
            count, inner = self._list_head()
            for _ in range(count):
                self._skip(inner, depth + 1, in_list=True)
        elif kind == _MAP:
            self._skip_map(depth)
        elif kind == _STRUCT:
            field = 0
            while (inner := (head := self._byte()) & 0x0F) != _STOP:
                field = self._field(field, head)
                self._skip(inner, depth + 1)
        else:
            raise _Malformed
        if self._at > len(self._content):
            raise _Malformed

    def _skip_map(self, depth: int) -> None:
        count = self._varint()
        if count > len(self._content) - self._at:
            raise _Malformed
        if not count:
            return
        kinds = self._byte()
        for _ in range(count):
            self._skip(kinds >> 4, depth + 1, in_list=True)
            self._skip(kinds & 0x0F, depth + 1, in_list=True)
