"""When a host's jobs came to their statuses, as its log tells it.

A client that asks twenty times a second would take a tenth of a core from what is measured, and
learns the moment no better."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from outside import scoring_files


class JobLog:
    """What the log under `data_dir` says from now on."""

    def __init__(self, data_dir: Path) -> None:
        self._file = (data_dir / "logs" / "host.jsonl").open()
        self._file.seek(0, os.SEEK_END)
        self._rest = ""
        self.times: dict[str, float] = {}
        """By status, in Unix seconds, of the job that is asked about."""

    def ended(self, job: str) -> dict[str, float] | None:
        """When it came to each status, once it has ended."""
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for line in lines:
            told: dict[str, Any] = json.loads(line)
            if told.get("action") == "job_status" and told.get("job") == job:
                self.times[told["status"]] = datetime.fromisoformat(told["time"]).timestamp()
        if not self.times.keys() & set(scoring_files.ENDED):
            return None
        self._file.close()
        return self.times
