"""The HTTP door's limits in tests that are not about them."""

from typing import Final

from infra.embedded.http.door_limits import DoorLimits
from tests.kit.waiting import PATIENCE

AMPLE: Final = DoorLimits(
    head_time=PATIENCE,
    body_rate=0,
    connections=4096,
    strangers=2048,
    strangers_of_one_address=1024,
    proxies=(),
)
