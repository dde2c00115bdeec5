"""The log of scoring requests: a JSON line for each in `<data-dir>/logs/traffic.jsonl`, with
the columns of Azure Monitor's table AmlOnlineEndpointTrafficLog, and whose credential it was."""

import json
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import PydanticSerializationError, to_json

from domain.ports.records.traffic_records import TrafficRecord
from domain.scoring.request_record import RequestRecord
from infra.telemetry.traffic_columns import traffic_columns

FILE = "traffic.jsonl"

_FILE_BYTES = 10 * 2**20
_FILES = 5
_WAITING = 20_000
_GATHER = 0.2
"""Seconds between a line's request and its writing, so that many share one write."""
_AT_ONCE = 20
_BREATH = 0.001
"""Seconds without a line after so many at once: whoever makes lines has the interpreter, and
the requests wait meanwhile."""

_log = logging.getLogger(__name__)


class Keep(Protocol):
    """Where lines are kept to be looked through, by the thread that writes them."""

    def put(self, records: Sequence[TrafficRecord]) -> None: ...

    def close(self) -> None: ...


class TrafficLog:
    """`record` is a `Listener`. Lines are written on a thread; when it cannot keep up,
    requests go on and lines are dropped and counted. `workspace_id` is the full ARM id."""

    def __init__(
        self,
        folder: Path,
        subscription_id: str,
        workspace: str,
        workspace_id: str,
        *,
        keep: Keep,
        file_bytes: int = _FILE_BYTES,
        waiting: int = _WAITING,
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._file_bytes = file_bytes
        self._most = waiting
        self._same = {
            "SubscriptionId": subscription_id,
            "AzureMLWorkspaceId": workspace_id,
            "AzureMLWorkspaceName": workspace,
        }
        self._waiting: deque[tuple[float, RequestRecord]] = deque()
        self._come = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False
        self.dropped = 0

    def record(self, record: RequestRecord) -> None:
        if len(self._waiting) >= self._most:
            self.dropped += 1
            return
        self._waiting.append((time.time(), record))
        if not self._come.is_set():
            self._come.set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._write, name="traffic-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """What has been recorded is written."""
        if self._thread is None:
            return
        self._closing.set()
        self._come.set()
        self._thread.join()
        self._thread = None

    def _write(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = _File(
            self._folder / FILE,
            maxBytes=self._file_bytes,
            backupCount=_FILES - 1,
            encoding="utf-8",
            delay=True,
        )
        try:
            while not self._closing.is_set():
                self._come.wait()
                self._closing.wait(_GATHER)
                self._come.clear()
                self._flush(file)
            self._flush(file)
        finally:
            file.close()
            self._keep.close()

    def _flush(self, file: "_File") -> None:
        while self._waiting or self.dropped:
            self._put(file)
            if self._waiting:
                self._closing.wait(_BREATH)

    def _put(self, file: "_File") -> None:
        kept: list[TrafficRecord] = []
        while self._waiting and len(kept) < _AT_ONCE:
            kept.append(self._line(*self._waiting.popleft()))
        lines = [_json(each) for each in kept]
        dropped, self.dropped = self.dropped, 0
        if dropped:
            _log.warning("%d lines of the traffic log were dropped", dropped)
        if not lines:
            return
        try:
            file.put("\n".join(lines))
            self._keep.put(kept)
        except (OSError, sqlite3.Error) as error:
            if not self._failed:
                _log.warning("the traffic log cannot be written: %s", error)
            self._failed = True
        else:
            self._failed = False

    def _line(self, at: float, record: RequestRecord) -> dict[str, Any]:
        return {
            "TimeGenerated": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
            **traffic_columns(record, self._same),
        }


class _File(RotatingFileHandler):
    """The rotation of the standard library's handler, with errors told to the caller."""

    def put(self, text: str) -> None:
        record = logging.LogRecord("", logging.INFO, "", 0, text, None, None)
        if self.shouldRollover(record):
            self.doRollover()
        if self.stream is None:
            self.stream = self._open()
        self.stream.write(text + "\n")
        self.stream.flush()


def _json(line: dict[str, Any]) -> str:
    try:
        return to_json(line).decode()
    except PydanticSerializationError:
        # A caller's text may hold half a surrogate pair, which UTF-8 has no bytes for; here it
        # is escaped.
        return json.dumps(line, separators=(",", ":"))
