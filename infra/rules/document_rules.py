"""What a ResourceStore takes, whatever it keeps documents in."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain import errors
from domain.ground import schema
from domain.ports import Create, Delete, Json, Replace, Write

MOST_BYTES = 1024 * 1024
"""Of one document, as JSON in UTF-8."""
MOST_BYTES_AT_ONCE = 2_000_000
"""Of the documents of one transaction; Cosmos DB takes 2 MB of request."""
MOST_WRITES = 100
MOST_IN_PAGE = 1000
MOST_BYTES_IN_PAGE = 16 * 1024 * 1024
SCHEMA = "schema"
"""The field of a stored body that says what form it has. Inside the body, so that a process of
before it was there, which does not look, replaces it with what it writes: nothing."""

_ID = re.compile(r"(?!\.{1,2}\Z)[^/\\?#]{1,255}", re.DOTALL)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@dataclass(frozen=True)
class Encoded:
    """A create or replace, and its body as JSON, with its schema."""

    write: Create | Replace
    body: str


def encoded(partition: str, writes: Sequence[Write]) -> list[Encoded | Delete]:
    """The writes as they are stored. Raises Invalid or TooLarge for a transaction that no store
    may take."""
    check_text(partition)
    if not 1 <= len(writes) <= MOST_WRITES:
        raise errors.Invalid(f"A transaction takes 1 to {MOST_WRITES} writes, not {len(writes)}.")
    if len({write.id for write in writes}) != len(writes):
        raise errors.Invalid("A transaction may name an id only once.")
    steps = [write if isinstance(write, Delete) else _encoded(write) for write in writes]
    size = sum(len(step.body.encode()) for step in steps if isinstance(step, Encoded))
    if size > MOST_BYTES_AT_ONCE:
        raise errors.TooLarge(
            f"The transaction has {size} bytes of JSON; {MOST_BYTES_AT_ONCE} is the limit."
        )
    return steps


def stamped(body: Json) -> Json:
    """The body as it is stored."""
    return {SCHEMA: schema.of_documents(body["kind"]), **body}


def opened(partition: str, id: str, body: Json) -> Json:
    """Inverse of `stamped`; takes from what it is given. Raises NewerSchema."""
    found = body.pop(SCHEMA, schema.FIRST)
    known = schema.of_documents(body["kind"])
    if found != known:
        schema.check(found, known, f"The document {id!r} in {partition!r}")
    return body


def check_where(where: Mapping[str, str | int | bool]) -> None:
    """Raises Invalid for what is no field's name, or no value that every store can compare."""
    for field, wanted in where.items():
        if not _FIELD.fullmatch(field):
            raise errors.Invalid(f"{field!r} is not the name of a field.", target=field)
        if isinstance(wanted, str):
            check_text(wanted)
        elif not -(2**63) <= wanted < 2**63:
            raise errors.Invalid(f"{wanted} does not fit in 64 bits.", target=field)


def is_id(id: str) -> bool:
    return _ID.fullmatch(id) is not None


def page_limit(page_size: int) -> int:
    if page_size < 1:
        raise errors.Invalid("A page holds at least one document.")
    return min(page_size, MOST_IN_PAGE)


def check_text(*texts: str) -> None:
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        raise errors.Invalid("Half of a surrogate pair is not text.") from None


def not_found(partition: str, id: str) -> errors.DocumentNotFound:
    return errors.DocumentNotFound(f"There is no document {id!r} in {partition!r}.", target=id)


def exists(partition: str, id: str) -> errors.DocumentExists:
    return errors.DocumentExists(f"A document {id!r} exists in {partition!r} already.", target=id)


def stale(partition: str, id: str) -> errors.StaleETag:
    return errors.StaleETag(
        f"The document {id!r} in {partition!r} has changed since it was read.", target=id
    )


def _encoded(write: Create | Replace) -> Encoded:
    if not is_id(write.id):
        raise errors.Invalid(
            "A document's id is 1 to 255 characters without / \\ ? #, and no path's . or ..",
            target=write.id,
        )
    if not isinstance(write.body.get("kind"), str):
        raise errors.Invalid("A document's body needs a string field 'kind'.", target=write.id)
    if SCHEMA in write.body:
        raise errors.Invalid(f"A body's field '{SCHEMA}' is the store's own.", target=write.id)
    body = _json(write.body, write.id)
    check_text(write.id, body)
    size = len(body.encode())
    if size > MOST_BYTES:
        raise errors.TooLarge(
            f"The document {write.id!r} is {size} bytes of JSON; {MOST_BYTES} is the limit.",
            target=write.id,
        )
    # As `stamped` would have it.
    stamp = f'{{"{SCHEMA}":"{schema.of_documents(write.body["kind"])}",'
    return Encoded(write, stamp + body[1:])


def _json(body: Json, id: str) -> str:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise errors.Invalid(f"The document {id!r} is not JSON: {error}.", target=id) from None
