"""What kept figures come to in an interval, by what kind of metric they are of."""

from collections.abc import Callable, Mapping, Sequence

from domain.figures.latency_bands import quantile
from domain.figures.metrics import Aggregation, Form, Metric
from domain.ports.records.figure_store import Amounts, Kept

Values = Mapping[Aggregation, float]


def combined(metric: Metric, kept: Sequence[Kept], seconds: float) -> Values:
    """Of an interval that has lasted for so many seconds; empty where nothing is known."""
    if metric.form is Form.COUNTED:
        return _counted(metric, kept, seconds)
    if not kept:
        return {}
    if metric.form is Form.SHARE:
        return _shares(kept)
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


def _shares(kept: Sequence[Kept]) -> Values:
    """Each series and gateway has its average in a step of time, and they add up."""
    by_step: dict[int, list[Amounts]] = {}
    for each in kept:
        by_step.setdefault(each.at, []).append(each.amounts)

    def of_each(value: Callable[[Amounts], float]) -> list[float]:
        return [sum(value(a) for a in amounts if a.count) for amounts in by_step.values()]

    averages = of_each(lambda amounts: amounts.total / amounts.count)
    return {
        Aggregation.AVERAGE: sum(averages) / len(averages),
        Aggregation.MINIMUM: min(of_each(lambda amounts: amounts.least)),
        Aggregation.MAXIMUM: max(of_each(lambda amounts: amounts.most)),
        Aggregation.COUNT: sum(each.amounts.count for each in kept),
    }
