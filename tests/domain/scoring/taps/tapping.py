"""Taps that write down what they hear."""

from dataclasses import dataclass

from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import Route
from domain.scoring.scoring_bodies import Missing
from domain.scoring.scoring_exchange import SWAGGER, Exchange


@dataclass
class Heard:
    """All that a collector of data would write down of one exchange."""

    deployment: str
    by_split: bool
    correlation_id: str
    asked: bytes | Missing
    answered: bytes | Missing
    status: int | None
    record: RequestRecord


class Collector(Tap):
    """Wants the exchanges of endpoint `iris`, with bodies of up to `limit` bytes."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.heard: list[Heard] = []
        self.offered: list[Exchange] = []
        self.routes: list[Route] = []

    def wants(self, route: Route) -> bool:
        self.routes.append(route)
        return route.endpoint == "iris"

    def listen(self, exchange: Exchange) -> Listener | None:
        self.offered.append(exchange)
        if exchange.call.path == SWAGGER:
            return None
        exchange.keep_request(self.limit)
        exchange.keep_answer(self.limit)

        def ended(record: RequestRecord) -> None:
            assert exchange.deployment is not None
            response = exchange.response
            self.heard.append(
                Heard(
                    deployment=exchange.deployment.name,
                    by_split=exchange.by_split,
                    correlation_id=exchange.headers.request_id,
                    asked=exchange.request_body(self.limit),
                    answered=exchange.answer_body(self.limit),
                    status=None if response is None else response.status,
                    record=record,
                )
            )

        return ended

    @property
    def only(self) -> Heard:
        [heard] = self.heard
        return heard
