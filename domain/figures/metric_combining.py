"""What kept figures come to in an interval, by what kind of metric they are of."""

from collections.abc import Mapping, Sequence

from domain.figures.latency_bands import quantile
from domain.figures.metrics import Aggregation, Form, Metric
from domain.ports.records.figure_store import Amounts, Kept, Series

Values = Mapping[Aggregation, float]


def combined(metric: Metric, kept: Sequence[Kept], looks: Sequence[Kept], seconds: float) -> Values:
    """Of an interval that has lasted for so many seconds; empty where nothing is known. `looks` are
    those at what shares are of."""
    if metric.form is Form.COUNTED:
        return _counted(metric, kept, seconds)
    if metric.form is Form.SHARE:
        return _shares(kept, looks) if kept or looks else {}
    if not kept:
        return {}
    return _pooled(metric, kept)


def _counted(metric: Metric, kept: Sequence[Kept], seconds: float) -> Values:
    total = sum(each.amounts.total for each in kept)
    return {
        Aggregation.AVERAGE: total * metric.per / max(seconds, 1.0),
        Aggregation.TOTAL: total,
        Aggregation.COUNT: total,
    }


def _pooled(metric: Metric, kept: Sequence[Kept]) -> Values:
    whole = kept[0].amounts
    if len(kept) > 1:
        whole = Amounts()
        for each in kept:
            whole.add(each.amounts)
    if not whole.count:
        return {}
    if metric.quantile is not None:
        found = quantile(whole.bands or {}, metric.quantile)
        # A band is wider than what is in it, where that is all alike.
        return {} if found is None else {Aggregation.AVERAGE: _within(found, whole)}
    return {
        Aggregation.AVERAGE: whole.total / whole.count,
        Aggregation.MINIMUM: whole.least,
        Aggregation.MAXIMUM: whole.most,
        Aggregation.COUNT: whole.count,
    }


def _within(value: float, whole: Amounts) -> float:
    return min(max(value, whole.least), whole.most)


def _shares(kept: Sequence[Kept], looks: Sequence[Kept]) -> Values:
    """In each step of time a series has its average over all looks; several gateways that saw the
    same thing have it once, and different ones add up."""
    times = {(each.at, each.gateway): each.amounts.count for each in looks}
    by_step: dict[int, dict[Series, list[float]]] = {}
    for each in kept:
        looked = times.get((each.at, each.gateway), each.amounts.count)
        found = by_step.setdefault(each.at, {}).setdefault(each.series, [])
        found.append(each.amounts.total / max(looked, 1))
    # Where it was looked for and not seen, it was nothing.
    unseen = {each.at for each in looks} - by_step.keys()
    sums = [0.0 for _ in unseen] + [
        sum(sum(of_gateways) / len(of_gateways) for of_gateways in series.values())
        for series in by_step.values()
    ]
    return {
        Aggregation.AVERAGE: sum(sums) / len(sums),
        Aggregation.MINIMUM: min(sums),
        Aggregation.MAXIMUM: max(sums),
        Aggregation.COUNT: sum(each.amounts.count for each in kept),
    }
