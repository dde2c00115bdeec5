"""Units as the agent of a node is told of them, and what it says (docs/node-agent.md)."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from domain.ports import UnitInput, UnitMiniBatch, UnitOutcome, UnitRequest
from infra.compute.remote.workers.told_rows import WITHIN

Told = dict[str, Any]
"""An outcome as a node says it."""
_LONGEST: Final = 80 << 20
_OUTCOME: Final = TypeAdapter(UnitOutcome)
_FIELDS: Final = tuple(each.name for each in fields(UnitRequest))


@dataclass(frozen=True)
class Lent:
    """Who has signed for the host's own store, in PEM, if there is one; and what small files have,
    by their URLs; and at which `file:` URLs a node may see others."""

    authority: str
    contents: Mapping[str, bytes]
    files: Mapping[str, str]


def unit_of(request: UnitRequest, lent: Lent) -> dict[str, Any]:
    """Few rows are told, where the store is the host's own."""
    unit = {name: getattr(request, name) for name in _FIELDS}
    if lent.contents or lent.files:
        unit["mini_batches"] = [_as_lent(each, lent) for each in request.mini_batches]
    return {**unit, "told_within": WITHIN} if lent.authority else unit


def _as_lent(batch: UnitMiniBatch, lent: Lent) -> dict[str, Any]:
    return {
        "ordinal": batch.ordinal,
        "tries": batch.tries,
        "inputs": [_lent(each, lent) for each in batch.inputs],
    }


def _lent(given: UnitInput, lent: Lent) -> Any:
    content = lent.contents.get(given.url)
    if content is None:
        seen = lent.files.get(given.url)
        return given if seen is None else {**vars(given), "lent": seen}
    told = base64.b64encode(content).decode()
    return {"name": given.name, "url": given.url, "etag": given.etag, "content": told}


def as_json(body: dict[str, Any]) -> bytes:
    return to_json(body, timedelta_mode="float")


def outcome_of(told: Told) -> UnitOutcome:
    try:
        return _OUTCOME.validate_python(told)
    except ValidationError as error:
        return UnitOutcome((), lost=f"What the node tells of it cannot be read: {error}")


async def lines(pieces: AsyncIterator[bytes], silent: float) -> AsyncIterator[dict[str, Any]]:
    """The events of an answer. Raises ValueError for what is none, and TimeoutError when none
    comes for so many seconds."""
    rest = bytearray()
    while True:
        async with asyncio.timeout(silent):
            piece = await anext(pieces, None)
        if piece is None:
            return
        rest += piece
        if len(rest) > _LONGEST:
            raise ValueError("a line without an end")
        if b"\n" not in piece:
            continue
        *whole, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        for line in whole:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError(f"{line[:80]!r} is no event")
            yield event


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content
