"""When a drop is complete, and how much goes into one."""

from dataclasses import dataclass

MOST_FILES = 200_000
"""A drop is captured in memory before its manifest is written."""


@dataclass(frozen=True)
class DropLimits:
    """Times in seconds. What is more than `max_files` or `max_bytes` goes into the next drop;
    one file always fits."""

    quiet_period: float = 2.0
    max_wait: float = 3600.0
    max_files: int = MOST_FILES
    max_bytes: int | None = None

    def are_reached(self, files: int, bytes: int) -> bool:
        return files >= self.max_files or (self.max_bytes is not None and bytes >= self.max_bytes)
