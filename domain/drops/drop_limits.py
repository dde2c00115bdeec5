"""When a drop is complete, and how much goes into one."""

from dataclasses import dataclass

MOST_FILES = 200_000
"""A drop is captured in memory before its manifest is written."""


@dataclass(frozen=True)
class DropLimits:
    """Times in seconds. What is more than `max_files` or `max_bytes` goes into the next drop;
    one file always fits."""

    quiet_period: float
    max_wait: float
    max_files: int
    max_bytes: int | None

    def are_reached(self, files: int, bytes: int) -> bool:
        return files >= self.max_files or (self.max_bytes is not None and bytes >= self.max_bytes)
