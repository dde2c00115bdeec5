"""One unit of a batch job: its mini-batches in order, their rows staged as one block."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from . import blocks, inputs
from .coroutines import finish
from .inputs import Input, InputUnreadable, local_paths
from .rows import Lines, count, render
from .script import describe, user_traceback
from .tables import BadReturn

_STRICT = "ML_ENDPOINTS_STRICT_RETURN"
_EXCERPT = 4000
_FORMATS = ("csv", "text", "summary_only")


class BadUnit(Exception):
    """The request does not describe a unit; the message says why."""


class Reports(Protocol):
    """Where events go. False: nobody listens any more."""

    def write(self, data: bytes) -> bool: ...

    def end(self, data: bytes = b"") -> bool: ...


class MiniBatch(NamedTuple):
    ordinal: int
    tries: int
    inputs: list[Input]


class Unit(NamedTuple):
    mini_batches: list[MiniBatch]
    output_format: str
    block_url: str | None


def parse(body: bytes) -> Unit:
    """Raises BadUnit."""
    try:
        value = json.loads(body)
        unit = Unit(
            [
                MiniBatch(
                    int(each["ordinal"]),
                    max(1, int(each["tries"])),
                    [inputs.parse(i) for i in each["inputs"]],
                )
                for each in value["mini_batches"]
            ],
            value["output_format"],
            value.get("block_url"),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadUnit(f"The body is not a unit: {describe(error)}") from None
    if unit.output_format not in _FORMATS:
        raise BadUnit(f"output_format is one of {', '.join(_FORMATS)}")
    if unit.output_format != "summary_only" and not unit.block_url:
        raise BadUnit("block_url is missing")
    return unit


def execute(unit: Unit, run: Callable[..., Any], reports: Reports) -> None:
    """Run every mini-batch, stage the block, then report it: the last line always speaks of a
    block that is already there. Stops before the next mini-batch when nobody listens any more."""
    content = bytearray()
    columns: tuple[str, ...] = ()
    rows = 0
    held = b""  # an end is sent together with the next start: one write, not two
    for mini_batch in unit.mini_batches:
        if not reports.write(held + _line({"event": "started", "ordinal": mini_batch.ordinal})):
            return
        retrying = _line({"event": "retrying", "ordinal": mini_batch.ordinal})
        again = functools.partial(reports.write, retrying)
        lines, ended = _score(mini_batch, run, unit.output_format, columns, again)
        if lines is not None:
            content += lines.content
            columns = lines.columns
            rows += lines.rows
        held = _line(ended)
    digest = ""
    if content and unit.block_url is not None:
        try:
            blocks.write(unit.block_url, content)
        except blocks.BlockNotWritten as error:
            sys.stderr.write(f"{error}\n")
            reports.end(held + _line({"event": "failed", "error": str(error)}))
            return
        digest = hashlib.sha256(content).hexdigest()
    block = {
        "event": "block",
        "rows": rows,
        "length": len(content),
        "digest": digest,
        "columns": list(columns),
    }
    reports.end(held + _line(block))


def _score(
    mini_batch: MiniBatch,
    run: Callable[..., Any],
    output_format: str,
    columns: tuple[str, ...],
    retrying: Callable[[], bool],
) -> tuple[Lines | None, dict[str, Any]]:
    """`retrying` is told before each further try: the time limit is for one try."""
    started = time.perf_counter()
    lines: Lines | None = None
    error: str | None = None
    excerpt: str | None = None
    tries = returned = 0
    while tries < mini_batch.tries:
        if tries and not retrying():
            break
        tries += 1
        returned = 0
        try:
            with local_paths(mini_batch.inputs) as paths:
                result = finish(run(list(paths)))
                returned = count(result)
                _check_length(returned, result, len(paths))
                lines = render(result, mini_batch.inputs, paths, output_format, columns)
            error = excerpt = None
            break
        except (InputUnreadable, BadReturn) as fault:
            error = excerpt = str(fault)
        except BaseException as fault:  # a script may raise anything, `sys.exit()` included
            error = describe(fault)
            excerpt = user_traceback(fault)[-_EXCERPT:]
        sys.stderr.write(f"mini-batch {mini_batch.ordinal}, try {tries}: {excerpt}\n")
    return lines, {
        "event": "ended",
        "ordinal": mini_batch.ordinal,
        "succeeded": error is None,
        "returned": returned,
        "tries": tries,
        "seconds": round(time.perf_counter() - started, 6),
        "error": error,
        "log_excerpt": excerpt,
    }


def _check_length(returned: int, result: Any, wanted: int) -> None:
    if result is None or returned >= wanted:
        return
    if os.environ.get(_STRICT, "").lower() == "true":
        raise BadReturn(f"run() returned {returned} results for {wanted} files")


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"
