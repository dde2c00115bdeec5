"""Which names containers, blobs and blocks may have.

A blob's name is its path below its container's folder, unchanged: spaces, `%`, `#`, any
script. Nothing is escaped, so nothing can be ambiguous; a name that is no path is refused.
A block's id may be any bytes: those that are no UTF-8 are surrogates in it, as Python has
file names.
"""

import functools
import re
import unicodedata

from domain import errors

_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_NAME_CHARACTERS = 1024
_SEGMENTS = 254
_SEGMENT_BYTES = 255
_BLOCK_ID_BYTES = 64
_DOTTED = frozenset(("", ".", ".."))
ANY_BYTES = "surrogateescape"


@functools.lru_cache
def check_container(container: str) -> str:
    """The container's name. Raises Invalid for one that Azure would not take either."""
    if not _CONTAINER.fullmatch(container):
        raise errors.Invalid(
            f"{container!r} cannot name a container: 3 to 63 lower-case letters, digits and"
            " single hyphens, with a letter or digit at either end.",
            target="container",
        )
    return container


def segments(name: str) -> list[str]:
    """The segments of a blob's name. Raises Invalid, saying what is wrong with it."""
    fault = fault_of(name)
    if fault is not None:
        raise errors.Invalid(f"{_shown(name)} cannot name a blob: {fault}.", target="name")
    return name.split("/")


def fault_of(name: str) -> str | None:
    """Why a blob cannot be named so; None if it can."""
    if not name:
        return "it is empty"
    if len(name) > _NAME_CHARACTERS:
        return f"it is {len(name)} characters long, {_NAME_CHARACTERS} is the limit"
    segments = name.split("/")
    if len(segments) > _SEGMENTS:
        return f"it has {len(segments)} segments, {_SEGMENTS} is the limit"
    if _DOTTED.isdisjoint(segments) and len(name) <= _SEGMENT_BYTES and _is_plain(name):
        return None
    for segment in segments:
        fault = segment_fault(segment)
        if fault is not None:
            return fault
    return None


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


def segment_fault(segment: str) -> str | None:
    if segment in _DOTTED:
        return f"it has a segment {segment!r}"
    if not segment.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs") for character in segment
    ):
        return "it has a control character or half of a surrogate pair"
    if len(segment.encode()) > _SEGMENT_BYTES:
        return f"a segment is longer than {_SEGMENT_BYTES} bytes"
    return None


def check_block_id(block_id: str) -> str:
    """The block's id. Raises Invalid."""
    size = block_id_size(block_id)
    if not 1 <= size <= _BLOCK_ID_BYTES:
        raise errors.Invalid(
            f"{_shown(block_id)} cannot be a block's id: 1 to {_BLOCK_ID_BYTES} characters.",
            target="blockId",
        )
    return block_id


def block_id_size(block_id: str) -> int:
    """The id's bytes; 0 for what stands for no bytes."""
    try:
        return len(block_id.encode(errors=ANY_BYTES))
    except UnicodeEncodeError:
        return 0


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:100]}…")
