"""Where the records of a text file begin and end, found in one pass in little memory.

Only what matters to that is looked at: newlines, and for CSV the quotes that hide some. A quote
opens a field at the field's beginning alone, as Python's csv, pandas and Arrow read it; elsewhere
it is a character like any other. A line with nothing in it is no record.
"""

import re

from domain.jobs.planning.row_formats import RowFormat, RowsUnreadable
from domain.ports import InputPiece

_LONGEST = 16 * 2**20
"""Bytes of a record: more is a quote that was never closed."""
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_EMPTY = re.compile(rb"\r?\n")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELDS = (
    rb'(?:[^"\n]++'  # up to the next quote or the end
    rb'|(?<![^,;\t|\n\r])"(?:[^"]++|"")*+"'  # a quoted field
    rb'|(?<=[^,;\t|\n\r])")*+'  # a quote within a field
)
_RECORD = re.compile(_FIELDS + rb"\n")
_TOGETHER = 64
_RECORDS = re.compile(rb"(?:%s\n){%d}" % (_FIELDS, _TOGETHER))
_FEW = 64
_WINDOW = 64 * 1024


class TextRecords:
    """Takes a file's content in order and gives its pieces of `size` rows, the last one shorter.
    A file of no more rows is one piece. The first record of a CSV file is its header."""

    def __init__(self, format: RowFormat, size: int, name: str) -> None:
        self._quotes = format is RowFormat.CSV
        self._size = size
        self._name = name
        self._header: int | None = None if self._quotes else 0
        self._base = 0
        """Where in the file `_rest` begins."""
        self._rest = b""
        self._held: list[bytes] = []
        """What follows `_rest`, and has not been looked at."""
        self._held_size = 0
        self._enough = 0
        """Bytes of both with which it is worth a look. Where a look found no end of a record, the
        next one has twice as much to see: however long a record is, it is read a few times."""
        self._is_begun = False
        self._piece = 0
        self._first_row = 0
        self._rows = 0
        self._complete: list[InputPiece] = []

    @property
    def pending(self) -> int:
        """Bytes that were fed and whose records are not told yet: with the next ones, the most
        that is looked at."""
        return len(self._rest) + self._held_size

    def feed(self, content: bytes) -> list[InputPiece]:
        """The pieces that `content` shows to be complete. Raises RowsUnreadable."""
        self._held.append(content)
        self._held_size += len(content)
        if self.pending < self._enough:
            return []
        content = self._unseen()
        if not self._is_begun:
            if len(content) <= len(_BOM):
                self._rest = content
                return []
            content = self._begin(content)
        before = self._base
        self._take(content)
        self._enough = min(2 * len(content), _LONGEST + 1) if self._base == before else 0
        if len(self._rest) > _LONGEST:
            raise self._unreadable(
                f"the record that begins at byte {self._base} is longer than "
                f"{_LONGEST // 2**20} MiB: a quote may not be closed"
            )
        return self._taken()

    def end(self) -> list[InputPiece]:
        """The pieces that are left, once everything was fed."""
        content = self._unseen()
        self._take(content if self._is_begun else self._begin(content))
        rest = self._rest
        if rest.strip(b"\r\n"):
            self._one(0, len(rest))
        end = self._base + len(rest)
        if self._header is None:
            self._header = end
        self._close(end)
        return self._taken()

    def _unseen(self) -> bytes:
        content = b"".join((self._rest, *self._held)) if self._held else self._rest
        self._held.clear()
        self._held_size = 0
        return content

    def _begin(self, content: bytes) -> bytes:
        self._is_begun = True
        if content.startswith(_UTF_16):
            raise self._unreadable("it is UTF-16; rows are told apart in UTF-8 only")
        if content.startswith(_BOM):
            self._base = len(_BOM)
            return content[len(_BOM) :]
        return content

    def _take(self, content: bytes) -> None:
        done = self._records(content)
        self._base += done
        self._rest = content[done:]

    def _records(self, content: bytes) -> int:
        """Take the whole records at the beginning; how many bytes they are."""
        at = 0
        while self._header is None or not self._rows:
            # The header, and empty lines between it and a row.
            found = self._line(content, at)
            if found is None:
                return at
            if not _EMPTY.fullmatch(content, at, found):
                self._one(at, found)
            at = found
        if content.startswith((b"\n", b"\r\n"), at) or _EMPTY_LINE.search(content, max(0, at - 1)):
            return self._one_by_one(content, at)
        if self._quotes and b'"' in content:
            return self._some_at_once(content, at)
        end = content.rfind(b"\n") + 1
        if end > at:
            self._lines(content, at, content.count(b"\n", at, end))
            return end
        return at

    def _line(self, content: bytes, at: int) -> int | None:
        """Where the record or empty line at `at` ends; None when that is not there yet."""
        if not self._quotes:
            return content.find(b"\n", at) + 1 or None
        found = _RECORD.match(content, at)
        return found.end() if found else None

    def _one_by_one(self, content: bytes, at: int) -> int:
        while (end := self._line(content, at)) is not None:
            if not _EMPTY.fullmatch(content, at, end):
                self._one(at, end)
            at = end
        return at

    def _some_at_once(self, content: bytes, at: int) -> int:
        """CSV with quotes and without empty lines."""
        while True:
            found = None
            if self._rows + _TOGETHER <= self._size:
                found = _RECORDS.match(content, at)
            if found is not None:
                self._rows += _TOGETHER
                at = found.end()
                continue
            for _ in range(_TOGETHER):
                end = self._line(content, at)
                if end is None:
                    return at
                self._one(at, end)
                at = end

    def _lines(self, content: bytes, at: int, count: int) -> None:
        """`count` records from `at` on, a line each."""
        while count:
            if self._rows == self._size:
                self._close(self._base + at)
            taken = min(count, self._size - self._rows)
            self._rows += taken
            count -= taken
            if count:
                at = _after(content, at, taken)

    def _one(self, begin: int, end: int) -> None:
        """The record content[begin:end]: the header or a row."""
        if self._header is None:
            self._header = self._piece = self._base + end
            return
        if self._rows == self._size:
            self._close(self._base + begin)
        self._rows += 1

    def _close(self, end: int) -> None:
        self._complete.append(
            InputPiece(
                self._first_row, self._rows, self._piece, end - self._piece, self._header or 0
            )
        )
        self._piece = end
        self._first_row += self._rows
        self._rows = 0

    def _taken(self) -> list[InputPiece]:
        complete, self._complete = self._complete, []
        return complete

    def _unreadable(self, why: str) -> RowsUnreadable:
        return RowsUnreadable(f"The rows of '{self._name}' cannot be told apart: {why}.")


def _after(content: bytes, at: int, lines: int) -> int:
    """Where `lines` lines after `at` end."""
    while lines > _FEW:
        # Counting is far quicker than finding.
        count = content.count(b"\n", at, at + _WINDOW)
        if count > lines:
            break
        if count == lines:
            return content.rfind(b"\n", at, at + _WINDOW) + 1
        at, lines = at + _WINDOW, lines - count
    for _ in range(lines):
        at = content.find(b"\n", at) + 1
    return at
