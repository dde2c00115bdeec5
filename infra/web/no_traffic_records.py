"""Where nobody keeps scoring requests one by one."""

from domain.errors import Unsupported
from domain.ports.records.traffic_records import TrafficPage, TrafficQuery, TrafficRecords


class NoTrafficRecords(TrafficRecords):
    """`why` says so, and what to do."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def query(
        self, asked: TrafficQuery, *, page_size: int, continuation: str | None = None
    ) -> TrafficPage:
        raise Unsupported(self._why)
