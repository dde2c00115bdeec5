"""Workers that run a Python function in this process."""

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from domain.ports import (
    LogKind,
    MiniBatchResult,
    Observation,
    UnitMiniBatch,
    UnitOutcome,
    UnitRequest,
    Workers,
    WorkersWorkload,
    WorkloadState,
)
from runtime.batch import inputs as worker_inputs
from runtime.batch.rows import Form, Lines
from runtime.batch.sinks import sink_of
from runtime.batch.tables import Table
from tests.kit.mischief import Mischief

SLOW, QUICK = 0.1, 0.0
"""What a script takes that is never bundled, and one that is as soon as there are enough units."""


@dataclass
class Rows:
    """What a script's run() gave for one mini-batch."""

    columns: tuple[str, ...]
    rows: list[list[Any]]


Script = Callable[[UnitRequest, UnitMiniBatch, Mapping[str, bytes]], Rows]


class Lost(Exception):
    """Raised by a script: its worker is gone. `blame`: the mini-batch is at fault."""

    def __init__(self, *, blame: bool = True) -> None:
        super().__init__("lost")
        self.blame = blame


def line_counts(
    request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
) -> Rows:
    """A row for each line of each file."""
    rows = [
        [name, str(number), line, str(len(line))]
        for name, content in files.items()
        for number, line in enumerate(content.decode().splitlines())
    ]
    return Rows(("input_file", "input_row", "line", "length"), rows)


class FunctionWorkers(Workers):
    """Ready when looked at for the second time. Runs `script` on the files behind the inputs'
    URLs, as a worker would, and writes the block. Remembers attempts as the port has it.
    `seconds` are what it says of each run."""

    def __init__(
        self,
        script: Script,
        mischief: Mischief,
        started: list[str],
        seconds: float = SLOW,
        holder: str | None = "here",
    ) -> None:
        self.script = script
        self.looks: dict[str, int] = {}
        self.fails: Observation | None = None
        self.ever: set[str] = set()
        self.printed: dict[LogKind, str] = {}
        self.before_remove: Callable[[], Awaitable[None]] | None = None
        self.started = started
        self._seconds = seconds
        self._mischief = mischief
        self._ended: dict[str, UnitOutcome] = {}
        self._holder = holder

    @property
    def holder(self) -> str | None:
        return self._holder

    def _see(self, key: str) -> Observation:
        self.looks[key] += 1
        if self.fails is not None:
            return self.fails
        state = WorkloadState.READY if self.looks[key] > 1 else WorkloadState.STARTING
        ready = int(state is WorkloadState.READY)
        return Observation("1", state, ready, 1)

    async def ensure(self, workload: WorkersWorkload) -> Observation:
        self.looks.setdefault(workload.key, 0)
        self.ever.add(workload.key)
        return self._see(workload.key)

    async def observe(self, key: str) -> Observation | None:
        return self._see(key) if key in self.looks else None

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        if self.before_remove is not None:
            await self.before_remove()
        return self.looks.pop(key, None) is None

    async def keys(self) -> Sequence[str]:
        return list(self.looks)

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        text = self.printed.get(kind, "init\n") if key in self.looks else ""
        return "\n".join(text.splitlines()[-tail:])

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        self._mischief.meet()
        if request.attempt_id not in self._ended:
            self.started.append(request.attempt_id)
            self._ended[request.attempt_id] = self._run(request)
        self._mischief.meet()
        await asyncio.sleep(0)
        if self._mischief.rng.random() < self._mischief.slow:
            return None
        return self._ended.pop(request.attempt_id)

    def _run(self, request: UnitRequest) -> UnitOutcome:
        results: list[MiniBatchResult] = []
        sink = sink_of(Form(request.output_format))
        for mini_batch in request.mini_batches:
            gave, error, tries = None, None, 0
            while tries < mini_batch.tries and gave is None:
                tries += 1
                try:
                    files = _read(mini_batch)
                    gave = self.script(request, mini_batch, files)
                except Lost as lost:
                    at = mini_batch.ordinal if lost.blame else None
                    return UnitOutcome(tuple(results), lost="the worker died", lost_ordinal=at)
                except (ValueError, OSError, worker_inputs.InputUnreadable) as fault:
                    error = f"{type(fault).__name__}: {fault}"
                try:
                    worker_inputs.check(_asked(mini_batch))
                except worker_inputs.InputChanged as changed:
                    gave, error = None, str(changed)
                    break
            length = sink.take(rendered(gave, request.output_format)) if gave else 0
            results.append(
                MiniBatchResult(
                    mini_batch.ordinal,
                    gave is not None,
                    len(gave.rows) if gave else 0,
                    tries,
                    self._seconds,
                    None if gave else error,
                    None if gave else "as printed",
                    length,
                )
            )
        content = sink.content()
        if not content or request.block_url is None:
            return UnitOutcome(tuple(results), rows=sink.rows, columns=sink.columns)
        place = _local(request.block_url)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.draft")
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.rename(place)
        digest = hashlib.sha256(content).hexdigest()
        return UnitOutcome(
            tuple(results), sink.rows, len(content), digest, sink.columns, types=sink.types
        )


def rendered(gave: Rows, form: str) -> Lines:
    """As the runtime renders a result."""
    count = len(gave.rows)
    columns = gave.columns if form in ("csv", "parquet") else ()
    if form == "parquet":
        table = Table(list(gave.columns), list(zip(*gave.rows, strict=True)), count)
        return Lines(count, count, columns, b"", table if count else None)
    text = io.StringIO()
    if form == "csv":
        csv.writer(text, lineterminator="\n").writerows(gave.rows)
    elif form == "jsonl":
        for row in gave.rows:
            text.write(json.dumps(dict(zip(gave.columns, row, strict=True))) + "\n")
    elif form == "text":
        text.write("".join(" ".join(row) + "\n" for row in gave.rows))
    return Lines(count, count, columns, text.getvalue().encode())


def _read(mini_batch: UnitMiniBatch) -> dict[str, bytes]:
    """The inputs' content by name, read as a worker reads it."""
    asked = _asked(mini_batch)
    with worker_inputs.local_paths(asked) as paths:
        contents = [Path(path).read_bytes() for path in paths]
    return {each.name: content for each, content in zip(asked, contents, strict=True)}


def _asked(mini_batch: UnitMiniBatch) -> list[worker_inputs.Input]:
    return [worker_inputs.parse(asdict(each)) for each in mini_batch.inputs]


def _local(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))
