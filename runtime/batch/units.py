"""One unit of a batch job: its mini-batches in order, their rows staged as one block."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from ..coroutines import finish
from ..script import describe, user_traceback
from . import blocks, inputs
from .inputs import Input, InputChanged, InputUnreadable
from .prefetch import Prefetch
from .pyfunc.unscorable import Unscorable
from .rows import Form, render
from .sinks import Sink, Unwritable, sink_of
from .tables import BadReturn, given

_STRICT = "ML_ENDPOINTS_STRICT_RETURN"
_ESCAPE_FORMULAS = "ML_ENDPOINTS_ESCAPE_FORMULAS"
_EXCERPT = 4000
_FORMATS = ("csv", "jsonl", "parquet", "text", "summary_only")


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
    form: Form
    block_url: str | None
    authority: str = ""
    """Who has signed for the stores that it is lent by, in PEM; else this machine knows."""
    told_within: int = 0
    """Rows of at most so many bytes are told, for whoever asked to write."""

    @property
    def urls(self) -> list[str]:
        """What it is lent."""
        lent = [each.url for mini_batch in self.mini_batches for each in mini_batch.inputs]
        return lent if self.block_url is None else [*lent, self.block_url]


def parse(body: bytes) -> Unit:
    """Raises BadUnit."""
    try:
        return read(json.loads(body))
    except ValueError as error:
        raise BadUnit(f"The body is not a unit: {describe(error)}") from None


def seen(unit: Unit) -> Unit:
    """With the inputs by their files that are to be seen on this machine."""
    return unit._replace(
        mini_batches=[
            each._replace(inputs=[inputs.seen(one) for one in each.inputs])
            for each in unit.mini_batches
        ]
    )


def read(value: Any) -> Unit:
    """Raises BadUnit."""
    try:
        unit = Unit(
            [
                MiniBatch(
                    int(each["ordinal"]),
                    max(1, int(each["tries"])),
                    [inputs.parse(i) for i in each["inputs"]],
                )
                for each in value["mini_batches"]
            ],
            Form(
                value["output_format"],
                value.get("provenance", True) is True,
                _is_on(_ESCAPE_FORMULAS),
            ),
            value.get("block_url"),
            str(value.get("authority") or ""),
            int(value.get("told_within") or 0),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadUnit(f"The body is not a unit: {describe(error)}") from None
    if unit.form.name not in _FORMATS:
        raise BadUnit(f"output_format is one of {', '.join(_FORMATS)}")
    if unit.form.name != "summary_only" and not unit.block_url:
        raise BadUnit("block_url is missing")
    return unit


def execute(unit: Unit, run: Callable[..., Any], reports: Reports, ahead: Prefetch) -> None:
    """Run every mini-batch, stage the block, then report it: the last line always speaks of a
    block that is already there, or has its content. The first mini-batch begins with the unit, the
    start of each other is told. Stops before the next one when nobody listens any more."""
    try:
        sink = sink_of(unit.form)
    except Unwritable as error:
        _refuse(unit, str(error), reports)
        return
    held = b""  # an end is sent together with the next start: one write, not two
    for number, mini_batch in enumerate(unit.mini_batches, 1):
        if not reports.write(held + _start(number, mini_batch)):
            return
        retrying = _line({"event": "retrying", "ordinal": mini_batch.ordinal})
        again = functools.partial(reports.write, retrying)
        following = unit.mini_batches[number].inputs if number < len(unit.mini_batches) else []
        files = functools.partial(ahead.paths, mini_batch.inputs, following)
        held = _line(_score(mini_batch, files, run, unit.form, sink, again))
    content = sink.content()
    if not content or unit.block_url is None:
        reports.end(held + _line(_block(sink, len(content), "")))
        return
    told: dict[str, Any] = {}
    if len(content) <= unit.told_within:
        told["content"] = base64.b64encode(content).decode()
    else:
        try:
            blocks.write(unit.block_url, content)
        except blocks.BlockNotWritten as error:
            sys.stderr.write(f"{error}\n")
            reports.end(held + _line({"event": "failed", "error": str(error)}))
            return
    digest = hashlib.sha256(content).hexdigest()
    reports.end(held + _line({**_block(sink, len(content), digest), **told}))


def _refuse(unit: Unit, why: str, reports: Reports) -> None:
    """Nothing is run: no row of this unit could be written."""
    sys.stderr.write(f"{why}\n")
    held = b""
    for number, mini_batch in enumerate(unit.mini_batches, 1):
        if not reports.write(held + _start(number, mini_batch)):
            return
        held = _line(_ended(mini_batch, 1, 0.0, why))
    reports.end(held + _line(_block(Sink(), 0, "")))


def _start(number: int, mini_batch: MiniBatch) -> bytes:
    if number == 1:
        return b""
    return _line({"event": "started", "ordinal": mini_batch.ordinal})


def _block(sink: Sink, length: int, digest: str) -> dict[str, Any]:
    return {
        "event": "block",
        "rows": sink.rows,
        "length": length,
        "digest": digest,
        "columns": list(sink.columns),
        "types": list(sink.types),
    }


def _score(
    mini_batch: MiniBatch,
    files: Callable[[], AbstractContextManager[list[str]]],
    run: Callable[..., Any],
    form: Form,
    sink: Sink,
    retrying: Callable[[], bool],
) -> dict[str, Any]:
    """How the mini-batch ended. `retrying` is told before each further try: the time limit is
    for one try."""
    started = time.perf_counter()
    error: str | None = None
    excerpt: str | None = None
    tries = returned = length = 0
    while tries < mini_batch.tries:
        if tries and not retrying():
            break
        tries += 1
        returned = 0
        try:
            with files() as paths:
                result = given(finish(run(list(paths))))
                if result is not None:
                    returned = len(result)
                    _check_length(returned, len(paths))
                lines = render(result, mini_batch.inputs, paths, form, sink.columns)
                inputs.check(mini_batch.inputs)
                length = sink.take(lines)
            error = excerpt = None
            break
        except InputChanged as fault:
            error, excerpt = str(fault), None
            break
        except Unscorable as fault:
            # It is the file, and another try would change nothing.
            error = excerpt = str(fault)
            sys.stderr.write(f"mini-batch {mini_batch.ordinal}: {error}\n")
            break
        except (InputUnreadable, BadReturn) as fault:
            error = excerpt = str(fault)
        except BaseException as fault:  # a script may raise anything, `sys.exit()` included
            error = describe(fault)
            excerpt = user_traceback(fault)[-_EXCERPT:]
        sys.stderr.write(f"mini-batch {mini_batch.ordinal}, try {tries}: {excerpt or error}\n")
        other = _change(mini_batch.inputs)
        if other is not None:
            # Whatever it was, that is why, and another try would change nothing.
            error, excerpt = other, None
            break
    seconds = time.perf_counter() - started
    return _ended(mini_batch, tries, seconds, error, excerpt, returned=returned, length=length)


def _change(given: list[Input]) -> str | None:
    try:
        inputs.check(given)
    except InputChanged as fault:
        return str(fault)
    return None


def _ended(
    mini_batch: MiniBatch,
    tries: int,
    seconds: float,
    error: str | None,
    excerpt: str | None = None,
    *,
    returned: int = 0,
    length: int = 0,
) -> dict[str, Any]:
    return {
        "event": "ended",
        "ordinal": mini_batch.ordinal,
        "succeeded": error is None,
        "returned": returned,
        "tries": tries,
        "seconds": round(seconds, 6),
        "length": length,
        "error": error,
        "log_excerpt": excerpt,
    }


def _is_on(variable: str) -> bool:
    """Among the environment variables of the deployment or the job."""
    return os.environ.get(variable, "").lower() == "true"


def _check_length(returned: int, wanted: int) -> None:
    if returned < wanted and _is_on(_STRICT):
        raise BadReturn(f"run() returned {returned} results for {wanted} files")


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"
