"""Globs over the names of an input's files.

A glob is relative to the input's folder. `*`, `?` and `[...]` match within one segment of a
name; `**` stands alone between slashes and matches any number of segments, none included.
"""

import fnmatch
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_MOST = 32
_LONGEST = 500
_ANY_DEPTH = "**"

Match = Callable[[str], object]


def _checked(glob: str) -> str:
    fault = glob_fault(glob)
    if fault:
        raise ValueError(fault)
    return glob


def _is_list(globs: object) -> object:
    if not isinstance(globs, list | tuple):
        raise ValueError('Globs are a list, like ["**/*.csv"]')
    return globs


Glob = Annotated[str, AfterValidator(_checked)]
Globs = Annotated[tuple[Glob, ...], Field(max_length=_MOST), BeforeValidator(_is_list)]


def glob_fault(glob: str) -> str | None:
    """Why `glob` cannot match any file, or None."""
    if not 1 <= len(glob) <= _LONGEST:
        return f"A glob has 1 to {_LONGEST} characters"
    segments = glob.split("/")
    if segments[0] == "":
        return "A glob is relative to the input's folder: it does not begin with '/'"
    if segments[-1] == "":
        return "A glob names files: put '**' after the last '/' for all below a folder"
    if any(segment in ("", ".", "..") for segment in segments):
        return "A glob has no empty segment, '.' or '..' in it"
    if any(_ANY_DEPTH in segment and segment != _ANY_DEPTH for segment in segments):
        return "'**' stands alone between slashes, as in '**/*.csv'"
    return None


class NameFilter:
    """Of an input's files those that are meant. One look at a name takes time in proportion
    to its length and that of the globs, whatever they are."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = [_matcher(glob) for glob in include]
        self._exclude = [_matcher(glob) for glob in exclude]

    @property
    def is_all(self) -> bool:
        return not self._include and not self._exclude

    def takes(self, name: str) -> bool:
        """`name` is relative to the input's folder."""
        segments = name.split("/")
        if self._include and not any(glob.matches(segments) for glob in self._include):
            return False
        return not any(glob.matches(segments) for glob in self._exclude)


class _Glob:
    def __init__(self, glob: str) -> None:
        # None stands for any number of segments.
        self._parts: list[Match | None] = [
            None if part == _ANY_DEPTH else re.compile(fnmatch.translate(part)).match
            for part in glob.split("/")
        ]

    def matches(self, segments: Sequence[str]) -> bool:
        # All places in the glob that the segments so far may have led to: no backtracking.
        places = self._from({0})
        for segment in segments:
            reached: set[int] = set()
            for place in places:
                if place == len(self._parts):
                    continue
                match = self._parts[place]
                if match is None:
                    reached.add(place)
                elif match(segment):
                    reached.add(place + 1)
            if not reached:
                return False
            places = self._from(reached)
        return len(self._parts) in places

    def _from(self, places: set[int]) -> set[int]:
        """With those that are reached by taking `**` for nothing."""
        found = set(places)
        for place in places:
            following = place
            while following < len(self._parts) and self._parts[following] is None:
                following += 1
                found.add(following)
        return found


@lru_cache(maxsize=256)
def _matcher(glob: str) -> _Glob:
    return _Glob(glob)
