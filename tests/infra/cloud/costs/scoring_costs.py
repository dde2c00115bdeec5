"""`python -m tests.infra.cloud.costs.scoring_costs`: what taking scoring requests costs a month, by
Functions and by a gateway of its own, as docs/costs.md has it. Models cost the same with both.

Requests are taken to come one at a time and to be answered within a second: each keeps whatever
takes it busy for that second, or for the part of it that no other request was there.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.infra.cloud.costs.idle_costs import EXECUTION, GB_SECOND, HOURS, MEMORY_GB

SECONDS = HOURS * 3600
CORE_BUSY, CORE_IDLE, GIGABYTE = 0.000024, 0.000003, 0.000003
"""Of a second of Container Apps by consumption; memory is the same busy and idle."""
CORES, GIGABYTES = 1.0, 2.0
"""Of a gateway, as infra/bicep has it."""
RATES = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Ways:
    """US dollars a month for so many requests a second in the mean."""

    rate: float
    functions: float
    gateway: float

    @property
    def row(self) -> str:
        return f"| {self.rate:g} | {self.functions:.2f} | {self.gateway:.2f} |"


def ways(rate: float) -> Ways:
    busy = min(rate, 1.0) * SECONDS
    requests = rate * SECONDS * EXECUTION
    functions = busy * MEMORY_GB * GB_SECOND + requests
    cores = busy * CORE_BUSY + (SECONDS - busy) * CORE_IDLE
    gateway = cores * CORES + SECONDS * GIGABYTE * GIGABYTES + requests
    return Ways(rate, functions, gateway)


def table() -> Sequence[str]:
    return [ways(rate).row for rate in RATES]


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
