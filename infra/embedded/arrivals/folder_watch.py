"""Which files of a folder tree have newly come to rest there. Blocking, in memory."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Kernels stamp files with a clock that ticks up to every 10 ms: closer than this, two times
# do not tell which event came first.
_TICK = 50_000_000


@dataclass(frozen=True, slots=True)
class Signature:
    """What a look at a file shows; another content shows another (times in ns)."""

    size: int
    modified: int
    inode: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file at rest: its path below the folder, with `/`. It was written or renamed there at
    `landed` (ns)."""

    name: str
    signature: Signature
    landed: int = field(default=0, compare=False)


@dataclass
class _Folder:
    modified: int = -1
    known: dict[str, Signature] = field(default_factory=dict)
    unsettled: dict[str, Signature] = field(default_factory=dict)


class FolderWatch:
    """Reports each file once it is at rest, and again when it has changed.

    A file is at rest when two looks running show the same size and time; one renamed or
    copied in whole (changed later than written, or written before the last look that did
    not show it) at once. Links are no files; names that begin with a dot are left alone,
    for that is where copying tools write before they rename.

    A look costs a stat per folder, and a scan of those that changed; a `full` one scans all,
    and so sees files that were rewritten in place.
    """

    def __init__(
        self,
        root: Path,
        known: Mapping[str, Signature],
        *,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._root = root
        self._now = now
        self._folders: dict[str, _Folder] = {"": _Folder()}
        self._last_look = 0
        self._found: list[Arrival] = []
        """Not told yet: a look may break off."""
        for name, signature in known.items():
            parent, _, base = name.rpartition("/")
            self._folders.setdefault(parent, _Folder()).known[base] = signature

    def forget(self, name: str) -> None:
        """Have the file reported again at a later look, if it is there."""
        parent, _, base = name.rpartition("/")
        folder = self._folders.get(parent)
        if folder is not None:
            folder.known.pop(base, None)
            folder.modified = -1

    def look(self, *, full: bool = False) -> Sequence[Arrival]:
        """The files that have come to rest since the last look, by name."""
        started = self._now()
        pending = list(self._folders)
        while pending:
            path = pending.pop()
            folder = self._folders.setdefault(path, _Folder())
            try:
                found = os.stat(self._root / path)
                if not full and not folder.unsettled and self._unchanged(folder, found.st_mtime_ns):
                    continue
                with os.scandir(self._root / path) as entries:
                    pending += self._scan(path, folder, entries, self._found)
                folder.modified = found.st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                if path:
                    del self._folders[path]
                else:
                    self._folders = {"": _Folder()}
        self._last_look = started
        arrivals, self._found = self._found, []
        return sorted(arrivals, key=lambda arrival: arrival.name)

    def _unchanged(self, folder: _Folder, modified: int) -> bool:
        # A file made in the same tick as the last scan leaves the time as it was.
        return modified == folder.modified and modified < self._last_look - _TICK

    def _scan(
        self,
        path: str,
        folder: _Folder,
        entries: "os._ScandirIterator[str]",
        arrivals: list[Arrival],
    ) -> list[str]:
        """Add what has come to rest to `arrivals`; the folders not known before."""
        prefix = f"{path}/" if path else ""
        new_folders: list[str] = []
        there: set[str] = set()
        for entry in entries:
            base = entry.name
            if base.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if prefix + base not in self._folders:
                    new_folders.append(prefix + base)
                continue
            try:
                if not entry.is_file(follow_symlinks=False):
                    continue
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            there.add(base)
            signature = Signature(found.st_size, found.st_mtime_ns, found.st_ino)
            if folder.known.get(base) == signature:
                folder.unsettled.pop(base, None)
            elif self._at_rest(folder, base, signature, found.st_ctime_ns):
                folder.unsettled.pop(base, None)
                folder.known[base] = signature
                landed = max(found.st_mtime_ns, found.st_ctime_ns)
                arrivals.append(Arrival(prefix + base, signature, landed))
            else:
                folder.unsettled[base] = signature
        for names in (folder.known, folder.unsettled):
            for gone in [base for base in names if base not in there]:
                del names[gone]
        return new_folders

    def _at_rest(self, folder: _Folder, base: str, signature: Signature, changed: int) -> bool:
        if changed > signature.modified or folder.unsettled.get(base) == signature:
            return True
        new = base not in folder.known and base not in folder.unsettled
        return new and signature.modified < self._last_look - _TICK
