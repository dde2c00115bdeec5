"""Scoring requests one by one, as whoever keeps them tells of them."""

from typing import final

from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports.records.traffic_records import TrafficPage, TrafficQuery, TrafficRecords
from domain.provisioning.endpoint_documents import EndpointDocuments


@final
class TrafficReading:
    def __init__(
        self,
        records: TrafficRecords,
        documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
    ) -> None:
        self._records = records
        self._documents = documents

    async def query(
        self, asked: TrafficQuery, *, page_size: int, continuation: str | None = None
    ) -> TrafficPage:
        """Newest first. Raises NotFound for an endpoint that is not there, and what the records
        raise."""
        await self._documents.endpoint(asked.endpoint)
        return await self._records.query(asked, page_size=page_size, continuation=continuation)
