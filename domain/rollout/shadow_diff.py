"""What mirrored requests show: how the answers of two deployments to the same requests
agree, how fast each was, how often each failed.

Figures belong to two revisions: a change of either deployment begins them anew.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.ground.stored_sums import Subject, Sums
from domain.online.online_endpoint import partition
from domain.online.traffic.latency_histogram import band, quantile
from domain.values import Value

KIND = "shadowDiff"
TTL = 30 * 86400
"""Seconds that the figures of a pair are kept after its last mirrored request."""

TOLERANCE = 1e-6
"""Numbers of two answers that differ by no more than this share agree."""


class Lost(StrEnum):
    """Why a request whose turn it was has not been compared."""

    TOO_MANY_IN_FLIGHT = "tooManyInFlight"
    TOO_LARGE = "tooLarge"
    INCOMPLETE = "incomplete"
    NOT_READY = "notReady"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class Side:
    """How one deployment met a request: whether it answered 2xx, in how many seconds, and
    its answer where it was small enough to keep."""

    succeeded: bool
    seconds: float
    answer: bytes | None


def subject(
    endpoint: str, live: str, live_revision: str, mirror: str, mirror_revision: str
) -> Subject:
    return Subject(
        partition(endpoint),
        f"shadow:{live.casefold()}:{live_revision}:{mirror.casefold()}:{mirror_revision}",
        KIND,
        TTL,
        {
            "live": live,
            "live_revision": live_revision,
            "mirror": mirror,
            "mirror_revision": mirror_revision,
        },
    )


def lost(why: Lost) -> Sums:
    return {"lost": {why.value: 1}}


def compared(live: Side, mirror: Side) -> Sums:
    """What one mirrored request adds. Costs time in proportion to the answers."""
    amounts: Sums = {"mirrored": 1, "live": _side(live), "mirror": _side(mirror)}
    if live.succeeded and mirror.succeeded:
        if live.answer is None or mirror.answer is None:
            amounts["tooLargeToCompare"] = 1
        else:
            amounts["compared"] = 1
            amounts["agreed"] = int(agree(live.answer, mirror.answer))
    return amounts


def _side(side: Side) -> Sums:
    return {
        "errors": int(not side.succeeded),
        "seconds": side.seconds,
        "latency": {band(side.seconds): 1},
    }


def agree(one: bytes, other: bytes) -> bool:
    """Whether two answers say the same: byte for byte, or as JSON with numbers that are
    equal within the tolerance, whatever the order of an object's members."""
    if one == other:
        return True
    try:
        return _same(json.loads(one), json.loads(other))
    except (ValueError, RecursionError, OverflowError):
        return False


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(_same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(_same(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, int | float) and isinstance(other, int | float):
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12)
    return bool(one == other)


class Latency(Value):
    """Milliseconds."""

    mean: float
    p50: float
    p95: float
    p99: float


class SideReport(Value):
    deployment: str
    errors: int
    error_rate: float
    latency_ms: Latency | None


class Gap(Value):
    """The mirror's figure less the live deployment's: above 0, the mirror is worse."""

    error_rate: float
    mean_latency_ms: float
    p95_latency_ms: float


class ShadowReport(Value):
    """The figures of one pair, of all gateways. `mirrored` counts requests that both met;
    `compared` those of them that both answered well; `agreement` is their share that
    agreed. `lost` counts, by reason, requests whose turn it was and that were not copied
    or not taken. Times are Unix seconds."""

    live: SideReport
    mirror: SideReport
    since: float
    updated: float
    mirrored: int
    compared: int
    agreed: int
    agreement: float | None
    too_large_to_compare: int
    lost: dict[str, int]
    gap: Gap | None


def report(body: Mapping[str, Any]) -> ShadowReport:
    """The report that a stored document amounts to."""
    sums: Sums = body["sums"]
    mirrored = int(sums.get("mirrored", 0))
    live = _side_report(body["live"], sums.get("live", {}), mirrored)
    mirror = _side_report(body["mirror"], sums.get("mirror", {}), mirrored)
    together = int(sums.get("compared", 0))
    agreed = int(sums.get("agreed", 0))
    gap: Gap | None = None
    if live.latency_ms and mirror.latency_ms:
        gap = Gap(
            error_rate=mirror.error_rate - live.error_rate,
            mean_latency_ms=mirror.latency_ms.mean - live.latency_ms.mean,
            p95_latency_ms=mirror.latency_ms.p95 - live.latency_ms.p95,
        )
    return ShadowReport(
        live=live,
        mirror=mirror,
        since=body["since"],
        updated=body["updated"],
        mirrored=mirrored,
        compared=together,
        agreed=agreed,
        agreement=agreed / together if together else None,
        too_large_to_compare=int(sums.get("tooLargeToCompare", 0)),
        lost={name: int(count) for name, count in sums.get("lost", {}).items()},
        gap=gap,
    )


def _side_report(deployment: str, sums: Sums, mirrored: int) -> SideReport:
    bands = sums.get("latency", {})
    latency: Latency | None = None
    if mirrored and bands:
        p50, p95, p99 = ((quantile(bands, share) or 0.0) * 1000 for share in (0.5, 0.95, 0.99))
        latency = Latency(mean=sums["seconds"] / mirrored * 1000, p50=p50, p95=p95, p99=p99)
    errors = int(sums.get("errors", 0))
    return SideReport(
        deployment=deployment,
        errors=errors,
        error_rate=errors / mirrored if mirrored else 0.0,
        latency_ms=latency,
    )
