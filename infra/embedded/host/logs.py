"""The host's log: JSON lines to stderr (readable ones on a terminal) and to
`<data-dir>/logs/host.jsonl`, each with the operation it belongs to. Writing happens on a
thread of its own behind a bounded queue, so a slow disk or terminal never stalls a request.
"""

import json
import logging
import queue
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from infra.embedded.host.invocation import current_invocation, operation_id
from infra.telemetry.redaction import redact

_FILE_BYTES = 10 * 2**20
_FILES = 5
_QUEUED = 10_000

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_STAMPS = ("operation_id", "function", "invocation_id")


class _Stamping(QueueHandler):
    """Notes on the record whose work it was, where it was logged, before it changes
    thread. A full queue drops the record and counts it."""

    def __init__(self, records: "queue.Queue[Any]") -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            record.exc_info = None
        invocation = current_invocation()
        record.operation_id = operation_id()
        record.function = invocation.function
        record.invocation_id = invocation.id
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
            return
        if self.dropped:
            self.dropped, dropped = 0, self.dropped
            logging.getLogger(__name__).warning("%d log records were dropped", dropped)


class JsonLines(logging.Formatter):
    """One JSON object a line; a record's `extra` fields stand beside the standard ones."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name in _STAMPS:
                if value:
                    line[name] = value
            elif name not in _STANDARD:
                line[name] = value
        if record.exc_text:
            line["exception"] = record.exc_text
        # Redacted value by value: a secret's end must not be taken from JSON's own syntax.
        return json.dumps({k: _redacted(v) for k, v in line.items()}, default=str)


class _Readable(logging.Formatter):
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        operation = getattr(record, "operation_id", "")
        line = f"{_time(record).astimezone():%H:%M:%S} {record.levelname:<7} {record.getMessage()}"
        if operation:
            line += f"  [{getattr(record, 'function', '')} {operation[:8]}]"
        if record.exc_text:
            line += "\n" + record.exc_text
        return redact(line)


def _redacted(value: object) -> object:
    return redact(value) if isinstance(value, str) else value


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def start_logging(level: str, data_dir: Path, stream: TextIO | None = None) -> Callable[[], None]:
    """Send every logger's records to stderr and the data folder. Returns what ends it, once
    all that was logged is written."""
    out = stream or sys.stderr
    console = logging.StreamHandler(out)
    console.setFormatter(_Readable() if out.isatty() else JsonLines())
    folder = data_dir / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = RotatingFileHandler(
        folder / "host.jsonl", maxBytes=_FILE_BYTES, backupCount=_FILES - 1, encoding="utf-8"
    )
    file.setFormatter(JsonLines())
    records: queue.Queue[Any] = queue.Queue(_QUEUED)
    stamping = _Stamping(records)
    listener = QueueListener(records, console, file)
    listener.start()
    root = logging.getLogger()
    before = root.level
    root.addHandler(stamping)
    root.setLevel(level)
    for chatty in ("asyncio", "azure"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # What anyone can send to make it complain must not fill the log.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)

    def stop() -> None:
        root.removeHandler(stamping)
        root.setLevel(before)
        listener.stop()
        file.close()

    return stop
