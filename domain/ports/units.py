"""A unit of a batch job, as a worker is told of it and as it tells what became of it."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class InputPiece:
    """`rows` rows of a file, from its row `first_row` (0 is the first) on. They are the
    `length` bytes from `offset`, and the file's first `header` bytes belong before them. A
    `length` of 0: a Parquet file, whose rows are taken by their number."""

    first_row: int
    rows: int
    offset: int = 0
    length: int = 0
    header: int = 0


@dataclass(frozen=True)
class UnitInput:
    """One input file, or a piece of it: the file's name as outputs show it, where a worker
    reads it, and its ETag. A mini-batch fails that was given a file with another one, or none
    any more; an empty ETag stands for any."""

    name: str
    url: str
    piece: InputPiece | None = None
    etag: str = ""


@dataclass(frozen=True)
class UnitMiniBatch:
    ordinal: int
    inputs: tuple[UnitInput, ...]
    tries: int
    """Tries left for an exception or short return; a timeout or crash ends the unit."""


@dataclass(frozen=True)
class UnitRequest:
    """k consecutive mini-batches for one worker. `block_url` takes their rows joined in
    order (None for summary_only). `attempt_id` is unique to this attempt of this unit.
    `output_format` is csv, jsonl, parquet, text or summary_only; `provenance`: whether rows
    say which file they come from, where the format has names for that. `resumed`: the attempt was
    left waiting, or running, before; another host may have begun it."""

    attempt_id: str
    mini_batches: tuple[UnitMiniBatch, ...]
    timeout: timedelta
    output_format: str
    block_url: str | None
    provenance: bool = True
    resumed: bool = False


@dataclass(frozen=True)
class MiniBatchResult:
    """What became of one mini-batch. `returned` counts the elements or rows `run` gave;
    `length` the bytes of its rows in the block, where they can be told apart."""

    ordinal: int
    succeeded: bool
    returned: int
    tries: int
    seconds: float
    error: str | None = None
    log_excerpt: str | None = None
    length: int = 0


@dataclass(frozen=True)
class UnitOutcome:
    """`results` has an entry for each mini-batch that ended. `lost` explains a worker that
    timed out or died (the block is then not written) on mini-batch `lost_ordinal`; None
    there blames no mini-batch (the worker was never ready, or was taken away).
    `length` in bytes and `digest` (SHA-256, hex) describe the block; 0 rows write none.
    `types` are those of `columns`, where the format has types."""

    results: tuple[MiniBatchResult, ...]
    rows: int = 0
    length: int = 0
    digest: str = ""
    columns: tuple[str, ...] = ()
    lost: str | None = None
    lost_ordinal: int | None = None
    types: tuple[str, ...] = ()
