"""The files of a model or of code: which belong to it, and what they hash to."""

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cli.failures import UsageFailed

# As Azure's tools: the first that is there decides.
_IGNORE_FILES = (".amlignore", ".gitignore")
_ALWAYS_IGNORED = ("__pycache__/", "*.pyc", ".git/", ".amlignore", ".gitignore", ".DS_Store")
_MOST_FILES = 100_000


class ContentFile(NamedTuple):
    """One file: where it is, and its name below what is uploaded, with slashes."""

    path: Path
    name: str
    size: int
    changed: int
    """When its content was last written, in nanoseconds."""


class Content(NamedTuple):
    """What is uploaded: a file, or a folder's files in order of their names."""

    source: Path
    files: tuple[ContentFile, ...]
    digest: str
    """SHA-256 over the names and contents; of the same files the same, wherever they lie."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def content_of(source: Path) -> Content:
    """The content of a file or folder. What has been read is not read again while it stays as it
    is. Raises UsageFailed when there is none or too much."""
    files = files_of(source)
    return Content(source, files, _digest(files))


def files_of(source: Path) -> tuple[ContentFile, ...]:
    """The files that belong to it, without a look into them. Raises UsageFailed when there are
    none or too many."""
    files = [_file(source, source.name)] if source.is_file() else _in_folder(source)
    if not files:
        raise UsageFailed(f"{source} has no files to upload.")
    return tuple(files)


def _in_folder(folder: Path) -> list[ContentFile]:
    ignored = _ignored(folder)
    files: list[ContentFile] = []
    for here, folders, names in os.walk(folder):
        below = Path(here).relative_to(folder)
        folders[:] = sorted(
            name for name in folders if not ignored(f"{(below / name).as_posix()}/")
        )
        for name in sorted(names):
            relative = (below / name).as_posix()
            path = Path(here) / name
            if not ignored(relative) and path.is_file():
                files.append(_file(path, relative))
        if len(files) > _MOST_FILES:
            raise UsageFailed(
                f"{folder} has over {_MOST_FILES} files.",
                hint="A file .amlignore in it says which to leave out.",
            )
    return sorted(files, key=lambda file: file.name)


def _ignored(folder: Path) -> Callable[[str], bool]:
    from pathspec import GitIgnoreSpec

    lines = list(_ALWAYS_IGNORED)
    for name in _IGNORE_FILES:
        file = folder / name
        if file.is_file():
            lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
            break
    return GitIgnoreSpec.from_lines(lines).match_file


def _file(path: Path, name: str) -> ContentFile:
    about = path.stat()
    return ContentFile(path, name, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(files: tuple[ContentFile, ...]) -> str:
    whole = hashlib.sha256()
    for file in files:
        with file.path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        whole.update(f"{file.name}\0{digest}\n".encode())
    return whole.hexdigest()
