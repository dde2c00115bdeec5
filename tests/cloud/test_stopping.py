"""A host over the cloud adapters that is told to stop while it has hardly begun."""

import time
from pathlib import Path

from tests.e2e.running_host import RunningHost


def test_a_host_stopped_right_after_it_is_ready_is_gone_within_seconds(
    installation: dict[str, str], tmp_path: Path
) -> None:
    """Its links to Service Bus are opening then. Some moments are worse than others: the
    steps of opening are gone through one by one in tests/infra/cloud."""
    host = RunningHost(tmp_path / "data", "--http", "--port", "0", environment=installation)
    for _ in range(2):
        with host:
            began = time.monotonic()
            assert host.stop(within=25) == 0
            assert time.monotonic() - began < 10
            assert not host.faults()
