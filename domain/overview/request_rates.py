"""How many requests endpoints and their deployments have had of late, and how they went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.figures.latency_bands import quantile
from domain.ports.records.figure_store import Amounts, FigureQuery, FigureStore, Kept
from domain.scoring.request_record import Fault

MINUTES = 2
"""That are looked at, the one that goes on included."""
_MINUTE = 60
_METRICS = ("RequestsPerMinute", "RequestFailures", "RequestLatency")


@dataclass(frozen=True)
class RequestRates:
    """Each minute, over the last few; `failures` are those that the caller is not at fault for.
    `p95` in milliseconds; None where nothing came."""

    requests: float
    failures: float
    p95: float | None


NONE = RequestRates(0.0, 0.0, None)

Place = tuple[str, str]
"""An endpoint and a deployment, in lower case; '' for all of the endpoint."""


class _Sums:
    def __init__(self) -> None:
        self.requests = 0.0
        self.failures = 0.0
        self.latency = Amounts()

    def add(self, other: "_Sums") -> None:
        self.requests += other.requests
        self.failures += other.failures
        self.latency.add(other.latency)

    def rates(self, minutes: float) -> RequestRates:
        p95 = quantile(self.latency.bands or {}, 0.95)
        if p95 is not None:
            p95 = min(max(p95, self.latency.least), self.latency.most)
        return RequestRates(self.requests / minutes, self.failures / minutes, p95)


async def rates(figures: FigureStore, now: float) -> Mapping[Place, RequestRates]:
    """Of all that had any."""
    since = (int(now) // _MINUTE - MINUTES + 1) * _MINUTE
    asked = FigureQuery("onlineendpoints/*", _METRICS, _MINUTE, since, int(now) + 1)
    sums = _summed(await figures.read(asked))
    minutes = max((now - since) / _MINUTE, 1.0)
    found = {place: each.rates(minutes) for place, each in sums.items()}
    by_endpoint: dict[str, list[Place]] = {}
    for place in sums:
        by_endpoint.setdefault(place[0], []).append(place)
    for endpoint, places in by_endpoint.items():
        if len(places) == 1:
            found[endpoint, ""] = found[places[0]]
            continue
        whole = _Sums()
        for place in places:
            whole.add(sums[place])
        found[endpoint, ""] = whole.rates(minutes)
    return found


def _summed(kept: Iterable[Kept]) -> dict[Place, _Sums]:
    """Of deployments, and of what had come to none."""
    sums: dict[Place, _Sums] = {}
    for series, _, _, amounts in kept:
        deployment, *others = series.dimensions
        place = series.subject.partition("/")[2], deployment.casefold()
        found = sums.get(place)
        if found is None:
            found = sums[place] = _Sums()
        if series.metric == "RequestLatency":
            found.latency.add(amounts)
        elif series.metric == "RequestsPerMinute":
            found.requests += amounts.total
        elif others[-1] != Fault.CALLER.value:
            found.failures += amounts.total
    return sums
