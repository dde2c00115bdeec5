"""What a blob has beside its content, and what of that could not travel in HTTP headers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain import errors

_DEFAULT_CONTENT_TYPE = "application/octet-stream"
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METADATA_CHARACTERS = 8 * 1024
_HEADER_CHARACTERS = 255


@dataclass(frozen=True)
class Record:
    """`headers` are the HTTP headers, beside the content type, that the blob is served
    with. `revision` is when the record was changed last, in nanoseconds; 0 for never."""

    content_type: str = _DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0


def checked(
    content_type: str,
    metadata: Mapping[str, str] | None,
    headers: Mapping[str, str] | None = None,
) -> Record:
    """Raises Invalid for what could not travel in HTTP headers, as in Azure."""
    for name, value in {"content-type": content_type, **(headers or {})}.items():
        if not _travels(value) or len(value) > _HEADER_CHARACTERS:
            raise errors.Invalid(
                f"A blob's {name} is printable ASCII, at most {_HEADER_CHARACTERS} characters.",
                code="InvalidHeaderValue",
                target=name,
            )
    size = 0
    for name, value in (metadata or {}).items():
        if not _METADATA_NAME.fullmatch(name):
            raise _bad_metadata(f"{name!r} cannot name a metadata entry.")
        if not _travels(value):
            raise _bad_metadata(f"Metadata {name!r} is not printable ASCII.")
        size += len(name) + len(value)
    if size > _METADATA_CHARACTERS:
        raise errors.Invalid(
            f"Metadata may have {_METADATA_CHARACTERS} characters, not {size}.",
            code="MetadataTooLarge",
            target="metadata",
        )
    return Record(content_type, dict(metadata or {}), dict(headers or {}))


def _travels(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _bad_metadata(message: str) -> errors.Invalid:
    return errors.Invalid(message, code="InvalidMetadata", target="metadata")
