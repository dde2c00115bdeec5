"""A container's blobs in the order of their whole names, in little memory.

Inside a folder, files sort by their name and folders by their name and `/`: since no folder
shares its name with a file, that puts the whole names in code-point order (`a-b` before
`a/b` before `a0`). A folder too large to sort in memory is sorted in runs that are kept in
one unnamed file and merged.
"""

import contextlib
import heapq
import itertools
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from infra.embedded.blobs.blob_tree import BlobTree
from infra.rules.blob_names import fault_of, segment_fault

_RUN = 20_000
_RUN_READ = 4 * 1024
_WARNED = 1000

_log = logging.getLogger(__name__)

Found = tuple[str, os.stat_result]


class BlobListing:
    """Blocking. `spill` gives an existing folder for what does not fit in memory."""

    def __init__(self, tree: BlobTree, spill: Callable[[], Path], *, run: int = _RUN) -> None:
        self._tree = tree
        self._spill = spill
        self._run = run
        self._warned: set[str] = set()

    def walk(self, container: str, prefix: str, since: str = "") -> Generator[Found, None, None]:
        """Names (relative to the container) that begin with `prefix` and are not before
        `since`, and their files' stat. What is not a plain file under a legal name is no
        blob; the log says so."""
        segments, start = _beginning(container, prefix)
        levels = [(segments, self._keys(segments, start, since))] if segments else []
        with contextlib.closing(_Files(self._tree)) as files:
            while levels:
                segments, keys = levels[-1]
                key = next(keys, None)
                if key is None:
                    levels.pop()
                elif key.endswith("/"):
                    below = [*segments, key[:-1]]
                    levels.append((below, self._keys(below, "", since)))
                else:
                    found = files.look(segments, key)
                    if found is not None:
                        yield "/".join([*segments[1:], key]), found

    def level(
        self, container: str, prefix: str, since: str = ""
    ) -> Generator[tuple[str, os.stat_result | None], None, None]:
        """As `walk`, but not into the folders below the last `/` of `prefix`: one that has
        a blob in it, however deep, comes as its name with a `/` and None."""
        segments, start = _beginning(container, prefix)
        if not segments:
            return
        with contextlib.closing(_Files(self._tree)) as files:
            for key in self._keys(segments, start, since):
                name = "/".join([*segments[1:], key])
                if not key.endswith("/"):
                    found = files.look(segments, key)
                    if found is not None:
                        yield name, found
                    continue
                with contextlib.closing(self.walk(container, name, since)) as inside:
                    if next(inside, None) is not None:
                        yield name, None

    def _keys(self, segments: Sequence[str], start: str, since: str) -> Iterator[str]:
        keys = self._entries(segments, start, "".join(f"{s}/" for s in segments[1:]), since)
        run = sorted(itertools.islice(keys, self._run))
        if len(run) < self._run:
            yield from run
            return
        with tempfile.TemporaryFile(dir=self._spill(), buffering=_RUN_READ) as file:
            runs = []
            while run:
                begin = file.tell()
                file.writelines(f"{key}\n".encode() for key in run)
                runs.append((begin, file.tell()))
                run = sorted(itertools.islice(keys, self._run))
            file.flush()
            # A line's end sorts before every character of a name, as a name's end does.
            for line in heapq.merge(*(_lines(file.fileno(), *bounds) for bounds in runs)):
                yield line[:-1].decode()

    def _entries(self, segments: Sequence[str], start: str, path: str, since: str) -> Iterator[str]:
        try:
            with self._tree.folder(segments) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    if not entry.name.startswith(start):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        fault, key = segment_fault(entry.name), f"{entry.name}/"
                    elif entry.is_file(follow_symlinks=False):
                        fault, key = fault_of("/".join([*segments[1:], entry.name])), entry.name
                    else:
                        fault, key = "it is no plain file", entry.name
                    if fault is None:
                        if not _is_before(f"{path}{key}", since):
                            yield key
                    else:
                        self._warn("/".join([*segments, entry.name]), fault)
        except FileNotFoundError:
            return

    def _warn(self, path: str, fault: str) -> None:
        """Once for each, as far as a bounded memory can tell."""
        if path in self._warned:
            return
        if len(self._warned) == _WARNED:
            self._warned.clear()
        self._warned.add(path)
        _log.warning(
            "Not a blob, so left alone: %s (%s).", path.encode(errors="replace").decode(), fault
        )


def _beginning(container: str, prefix: str) -> tuple[list[str], str]:
    """The folder in which all names with this prefix are, and how they begin there; no
    segments where there can be none."""
    folder, _, start = prefix.rpartition("/")
    segments = folder.split("/") if folder else []
    if prefix.startswith("/") or any(segment_fault(segment) for segment in segments):
        return [], ""
    return [container, *segments], start


def _is_before(name: str, since: str) -> bool:
    """Whether a file's name, or every name below a folder's, comes before `since`."""
    return name < since and not (name.endswith("/") and since.startswith(name))


class _Files:
    """Looks at files one after another, keeping the folder of the last one open."""

    def __init__(self, tree: BlobTree) -> None:
        self._tree = tree
        self._segments: Sequence[str] | None = None
        self._folder: int | None = None

    def look(self, segments: Sequence[str], name: str) -> os.stat_result | None:
        try:
            if self._segments is not segments or self._folder is None:
                self.close()
                with self._tree.folder(segments) as folder:
                    self._folder = os.dup(folder)
                self._segments = segments
            found = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def close(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


def _lines(descriptor: int, begin: int, end: int) -> Iterator[bytes]:
    rest = b""
    while begin < end:
        content = os.pread(descriptor, min(_RUN_READ, end - begin), begin)
        begin += len(content)
        *lines, rest = (rest + content).split(b"\n")
        for line in lines:
            yield line + b"\n"
