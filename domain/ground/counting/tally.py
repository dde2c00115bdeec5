"""Counting what happens now and then: a wake, a copy that is lost, a job that has ended. Figures
over time take it from here (domain/figures)."""

from collections.abc import Callable, Iterable

from domain.ports.records.figure_store import Amounts, Series, counted

MOST = 10_000
"""Series between two times of taking; what comes for more is not counted."""


def endpoint_subject(endpoint: str) -> str:
    return f"onlineEndpoints/{endpoint}".casefold()


def deployment_subject(endpoint: str, deployment: str) -> str:
    return f"onlineEndpoints/{endpoint}/deployments/{deployment}".casefold()


def batch_endpoint_subject(endpoint: str) -> str:
    return f"batchEndpoints/{endpoint}".casefold()


class Tally:
    """One gateway's. One event loop owns it; counting costs no I/O."""

    def __init__(self) -> None:
        self._counts: dict[Series, int] = {}
        self._changed: Callable[[], None] | None = None

    def add(self, series: Series, number: int = 1) -> None:
        if not self._counts and self._changed is not None:
            self._changed()
        if series in self._counts or len(self._counts) < MOST:
            self._counts[series] = self._counts.get(series, 0) + number

    def tell(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when something is counted after `take`."""
        self._changed = changed

    def take(self) -> Iterable[tuple[Series, Amounts]]:
        """What has come since it was taken last."""
        counts, self._counts = self._counts, {}
        return [(series, counted(number)) for series, number in counts.items()]
