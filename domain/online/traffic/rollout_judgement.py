"""Whether a version that gains traffic does worse than a rollout lets it.

It is held against limits and against the *incumbent*: what has traffic in the same step and
gains none, all of it together. Callers that send what no version can answer are met by both. So

- a limit that the incumbent does not keep itself is broken only by a version that is worse;
- what a version refuses as its caller's fault is no failure, unless it refuses more than the
  incumbent does;
- "worse" of a share of requests is what chance does not explain: a one-sided exact test of
  Fisher's, with CHANCE left for an error.
"""

from math import exp, lgamma
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.ground.stored_sums import Sums
from domain.online.traffic.latency_histogram import quantile
from domain.values import Value

CHANCE = 0.001
"""Small, as a step is looked at many times."""
SLOWER = 1.1
"""Times as slow as the incumbent: less is within the width of the bands that latencies have."""

_Ratio = Annotated[
    Annotated[float, Field(ge=1, le=1000)] | None, Field(exclude_if=lambda ratio: ratio is None)
]


class RolloutLimits(Value):
    """What each deployment that gains traffic must keep in every step. `error_rate` is the
    share of failed requests, `p95_latency_ms` the 95th percentile; the relative ones are times
    the incumbent's. Nothing is judged, and no step ends, before a deployment has had
    `minimum_requests` in it; nor is anything held against an incumbent that had fewer."""

    error_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    p95_latency_ms: Annotated[float, Field(gt=0)] | None = None
    minimum_requests: Annotated[int, Field(ge=1, le=10_000_000)] = 50
    relative_error_rate: _Ratio = None
    relative_p95_latency: _Ratio = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        # Also older processes ask for one of these two.
        if self.error_rate is None and self.p95_latency_ms is None:
            raise ValueError("limits need errorRate or p95LatencyMs: nothing would be guarded")
        return self

    @property
    def relative(self) -> bool:
        return self.relative_error_rate is not None or self.relative_p95_latency is not None


class Observed(Value):
    """What all gateways saw of a deployment, or of several, in one step: `errors` are failures
    of theirs, `refused` what they refused as their callers' fault."""

    requests: int = 0
    errors: int = 0
    refused: int = 0
    p95_latency_ms: float | None = None

    @classmethod
    def of(cls, sums: Sums) -> "Observed":
        p95 = quantile(sums.get("latency", {}), 0.95)
        return cls(
            requests=int(sums.get("requests", 0)),
            errors=int(sums.get("errors", 0)),
            refused=int(sums.get("refused", 0)),
            p95_latency_ms=None if p95 is None else p95 * 1000,
        )

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests

    @property
    def refusal_rate(self) -> float:
        return self.refused / self.requests


class Incumbent(Value):
    """What a version is held against: `deployments`, together, in `step` (from 1)."""

    deployments: list[str]
    step: int
    observed: Observed


class Comparison(Value):
    """How a version did in `step` (from 1). `incumbent` is None where none has had enough
    requests yet; `chance` is how likely the version's failures beyond the incumbent's share
    would be if both were alike. `outcome` says it in words."""

    step: int
    deployment: str
    observed: Observed
    incumbent: Incumbent | None
    chance: float | None
    outcome: str


def compared(
    limits: RolloutLimits, step: int, name: str, seen: Observed, incumbent: Incumbent | None
) -> tuple[bool, Comparison]:
    """Whether the limits are kept, and by what figures. `seen` and the incumbent have had
    enough requests."""
    kept = None if incumbent is None else incumbent.observed
    broken = (
        _errors(limits, name, seen, kept)
        or _refusals(limits, name, seen, kept)
        or _latency(limits, name, seen, kept)
    )
    chance = None if kept is None else chance_of_more(seen.errors, seen, kept.errors, kept)
    return broken is None, Comparison(
        step=step,
        deployment=name,
        observed=seen,
        incumbent=incumbent,
        chance=None if chance is None else round(chance, 6),
        outcome=broken or _kept(limits, seen, kept),
    )


def _kept(limits: RolloutLimits, seen: Observed, kept: Observed | None) -> str:
    over = []
    if limits.error_rate is not None and seen.error_rate > limits.error_rate:
        over.append("errorRate")
    if _slower(seen, limits.p95_latency_ms):
        over.append("p95LatencyMs")
    if not over or kept is None:
        return "It kept the limits."
    return f"It is over {' and '.join(over)}, as the incumbent is, and no worse than that."


def _errors(limits: RolloutLimits, name: str, seen: Observed, kept: Observed | None) -> str | None:
    told = f"{seen.errors} of {seen.requests} requests to '{name}' failed ({seen.error_rate:.2%}); "
    limit, ratio = limits.error_rate, limits.relative_error_rate
    if limit is not None and seen.error_rate > limit:
        if kept is None or kept.error_rate <= limit:
            return f"{told}the limit is {limit:.2%}."
        if _more(seen.errors, seen, kept.errors, kept):
            return f"{told}the limit is {limit:.2%}, and the incumbent's share {_share(kept)}."
    if ratio is None or kept is None or seen.error_rate <= ratio * kept.error_rate:
        return None
    if not _more(seen.errors, seen, kept.errors, kept):
        return None
    return f"{told}the limit is {ratio:g} times the incumbent's share, {_share(kept)}."


def _share(kept: Observed) -> str:
    return f"{kept.errors} of {kept.requests} ({kept.error_rate:.2%})"


def _refusals(
    limits: RolloutLimits, name: str, seen: Observed, kept: Observed | None
) -> str | None:
    """More of them than errors may be beyond the incumbent's share is the version's doing."""
    if kept is None or not _more(seen.refused, seen, kept.refused, kept):
        return None
    most = kept.refusal_rate * (limits.relative_error_rate or 1)
    if limits.error_rate is not None:
        most = kept.refusal_rate + limits.error_rate
    elif limits.relative_error_rate is None:
        return None
    if seen.refusal_rate <= most:
        return None
    return (
        f"'{name}' refused {seen.refused} of {seen.requests} requests as their callers' fault "
        f"({seen.refusal_rate:.2%}); the incumbent refused {kept.refused} of {kept.requests} "
        f"({kept.refusal_rate:.2%}), and the limit is {most:.2%}."
    )


def _latency(limits: RolloutLimits, name: str, seen: Observed, kept: Observed | None) -> str | None:
    p95, usual = seen.p95_latency_ms, None if kept is None else kept.p95_latency_ms
    if p95 is None:
        return None
    told = f"the 95th percentile of '{name}' is {p95:.1f} ms over {seen.requests} requests; "
    limit, ratio = limits.p95_latency_ms, limits.relative_p95_latency
    if limit is not None and p95 > limit:
        if usual is None or usual <= limit:
            return f"{told}the limit is {limit:g} ms."
        if p95 > usual * SLOWER:
            return f"{told}the limit is {limit:g} ms, and the incumbent's is {usual:.1f} ms."
    if ratio is not None and usual is not None and p95 > ratio * usual:
        return f"{told}the limit is {ratio:g} times the incumbent's, {usual:.1f} ms."
    return None


def _slower(seen: Observed, limit: float | None) -> bool:
    return limit is not None and (seen.p95_latency_ms or 0) > limit


def _more(ours: int, seen: Observed, theirs: int, kept: Observed) -> bool:
    return chance_of_more(ours, seen, theirs, kept) < CHANCE


def chance_of_more(ours: int, seen: Observed, theirs: int, kept: Observed) -> float:
    """Fisher's exact test, one-sided: how likely it is that, of `ours + theirs` cases spread by
    chance over all requests, `ours` or more are among the version's. 1 where its share is no
    larger than the incumbent's. Costs little for any counts."""
    if ours * kept.requests <= theirs * seen.requests:
        return 1.0
    cases, drawn, whole = ours + theirs, seen.requests, seen.requests + kept.requests
    term = exp(_ways(cases, ours) + _ways(whole - cases, drawn - ours) - _ways(whole, drawn))
    total = 0.0
    # Beyond the mean each term is smaller than the one before.
    for case in range(ours, min(cases, drawn) + 1):
        total += term
        if term < total * 1e-9:
            break
        term *= (cases - case) * (drawn - case)
        term /= (case + 1) * (whole - cases - drawn + case + 1)
    return min(total, 1.0)


def _ways(of: int, chosen: int) -> float:
    """The logarithm of how many ways there are to choose."""
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)
