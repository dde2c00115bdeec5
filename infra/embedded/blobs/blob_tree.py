"""The blobs' own files: `<root>/<container>/<name>`.

Every folder on the way to a blob is opened by itself, from its parent's descriptor and
without following a symbolic link, so no name and no link leads out of a container, not even
one made at the wrong moment. A link is no blob and no folder.
"""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes

from domain import errors

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that a user left in a folder must not hold up whoever opens it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
_TRIES = 20


class BlobTree:
    """Blocking; the caller brings checked names, as segments, container first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._uri = root.as_uri()

    def path(self, segments: Sequence[str]) -> Path:
        return self.root.joinpath(*segments)

    def uri(self, segments: Sequence[str]) -> str:
        """`path` as a file: URI."""
        return f"{self._uri}/{quote_from_bytes(os.fsencode('/'.join(segments)))}"

    @contextlib.contextmanager
    def folder(self, segments: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The descriptor of a folder. Raises FileNotFoundError; with `make` it is made, and
        Conflict says which blob stands in the way."""
        if make:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        current = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for depth, segment in enumerate(segments):
                try:
                    child = _enter(current, segment, make=make)
                except OSError as error:
                    if error.errno not in _NOT_THERE:
                        raise
                    if make and error.errno != errno.ENOENT:
                        raise _in_the_way(
                            segments[min(1, depth) : depth + 1], "a blob or a link"
                        ) from error
                    raise FileNotFoundError(errno.ENOENT, "no such folder") from error
                os.close(current)
                current = child
            yield current
        finally:
            os.close(current)

    def open(self, segments: Sequence[str]) -> tuple[int, os.stat_result] | None:
        """A descriptor to read the blob with, and what it shows; None if it is not there."""
        with contextlib.closing(self.opens([segments])) as opened:
            return next(opened)

    def opens(
        self, blobs: Sequence[Sequence[str]]
    ) -> Generator[tuple[int, os.stat_result] | None, None, None]:
        """`open` of each, one when it is asked for. The way to a folder is gone once for all that
        follow each other in it."""
        for way, some in itertools.groupby(blobs, lambda segments: segments[:-1]):
            names = [segments[-1] for segments in some]
            try:
                with self.folder(way) as parent:
                    while names:
                        opened = _opened(parent, names[0])
                        del names[0]
                        yield opened
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    raise
                for _ in names:
                    yield None

    def links(
        self, blobs: Sequence[Sequence[str]], places: Sequence[str]
    ) -> Generator[os.stat_result | None, None, None]:
        """Give each blob another name, its place, and any user who sees it there the right to read
        it. What the file shows; None, and no name, for one that cannot have it."""
        numbered = iter(places)
        for way, some in itertools.groupby(blobs, lambda segments: segments[:-1]):
            names = [segments[-1] for segments in some]
            try:
                with self.folder(way) as parent:
                    while names:
                        linked = _linked(parent, names[0], next(numbered))
                        del names[0]
                        yield linked
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    raise
                for _ in names:
                    next(numbered)
                    yield None

    def look(self, segments: Sequence[str]) -> os.stat_result | None:
        """What the blob's file shows; None if there is none."""
        return self.looks([segments])[0]

    def looks(self, blobs: Sequence[Sequence[str]]) -> list[os.stat_result | None]:
        """`look` at each. The way to a folder is gone once for all that follow each other in it,
        and costs more than a look at one of them."""
        found: list[os.stat_result | None] = []
        for way, some in itertools.groupby(blobs, lambda segments: segments[:-1]):
            names = [segments[-1] for segments in some]
            try:
                with self.folder(way) as parent:
                    found += [_regular(parent, name) for name in names]
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    raise
                found += [None] * len(names)
        return found

    def place(self, draft: Path, segments: Sequence[str], *, if_absent: bool) -> None:
        """Give the finished file `draft` its place in one step; with `if_absent` the draft
        is linked there and keeps its own name too. Raises BlobExists and Conflict."""
        for _ in range(_TRIES):
            try:
                with self.folder(segments[:-1], make=True) as parent:
                    if if_absent:
                        os.link(draft, segments[-1], dst_dir_fd=parent)
                    else:
                        os.rename(draft, segments[-1], dst_dir_fd=parent)
                return
            except FileNotFoundError:
                # Someone deleted the folder's last blob, and the folder, in between.
                if not draft.exists():
                    raise
            except FileExistsError:
                self._refuse_unless_cleared(segments)
            except (IsADirectoryError, NotADirectoryError):
                if not self._clear_folder(segments):
                    raise _in_the_way(segments[1:], "a folder of blobs") from None
        raise errors.Unavailable("Others change the same folder all the time; try again.")

    def remove(self, segments: Sequence[str]) -> os.stat_result | None:
        """Remove the blob, and the folders that this leaves empty. What it was, or None."""
        try:
            with self.folder(segments[:-1]) as parent:
                found = os.stat(segments[-1], dir_fd=parent, follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode):
                    return None
                os.unlink(segments[-1], dir_fd=parent)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise
        for depth in range(len(segments) - 1, 1, -1):
            if not self._clear_folder(segments[:depth]):
                break
        return found

    def _refuse_unless_cleared(self, segments: Sequence[str]) -> None:
        """Something has the name that a link was to take: raise unless it was an empty
        folder, which is no blob and gives way."""
        try:
            with self.folder(segments[:-1]) as parent:
                found = os.stat(segments[-1], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(found.st_mode):
            name = "/".join(segments[1:])
            raise errors.BlobExists(f"The blob {name!r} exists already.", target=name) from None
        if not self._clear_folder(segments):
            raise _in_the_way(segments[1:], "a folder of blobs") from None

    def _clear_folder(self, segments: Sequence[str]) -> bool:
        """Remove the folder if it is empty. True when it is gone."""
        try:
            with self.folder(segments[:-1]) as parent:
                os.rmdir(segments[-1], dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _opened(parent: int, name: str) -> tuple[int, os.stat_result] | None:
    try:
        descriptor = os.open(name, _FILE, dir_fd=parent)
    except OSError as error:
        # ENXIO: a socket.
        if error.errno in _NOT_THERE or error.errno == errno.ENXIO:
            return None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    return descriptor, found


def _linked(parent: int, name: str, place: str) -> os.stat_result | None:
    try:
        with contextlib.suppress(FileExistsError):  # it was given it before
            os.link(name, place, src_dir_fd=parent, follow_symlinks=False)
        found = os.lstat(place)
        if stat.S_ISREG(found.st_mode):
            if found.st_mode & 0o044 != 0o044:
                os.chmod(place, stat.S_IMODE(found.st_mode) | 0o044)
            return found
        os.unlink(place)
    except OSError:  # on another disk, or gone: it is had by its URL, or said of it what there is
        pass
    return None


def _enter(parent: int, segment: str, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileNotFoundError):
            return os.open(segment, _FOLDER, dir_fd=parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(segment, 0o700, dir_fd=parent)
    return os.open(segment, _FOLDER, dir_fd=parent)


def _regular(parent: int, name: str) -> os.stat_result | None:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    return found if stat.S_ISREG(found.st_mode) else None


def _in_the_way(segments: Sequence[str], what: str) -> errors.Conflict:
    name = "/".join(segments)
    return errors.Conflict(
        f"{name!r} is {what} already; a name cannot be both a blob and a folder.", target=name
    )
