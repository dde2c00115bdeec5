"""A guarded rollout: traffic that moves in steps, and goes back by itself when what it
brings is worse than its limits.

(a) -> Running                                a change of the endpoint that carries steps
(b) Running -> Running                        a step's time is over and nothing speaks against it
(c) Running -> Completed                      the last step's time is over
(d) Running -> RolledBack                     a limit was exceeded, or somebody asked for it
(e) Running -> Ended                          traffic was changed by hand, or the steps taken away
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.errors import Detail
from domain.ground.stored_sums import Sums
from domain.online.traffic.latency_histogram import quantile
from domain.online.traffic.traffic import Percentages, traffic_faults
from domain.values import Value

MAX_STEPS = 20


class RolloutStep(Value):
    """Traffic, and how long it holds before the next step."""

    traffic: Percentages
    duration: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=7))]


class RolloutLimits(Value):
    """What each deployment that gains traffic must keep in every step. `error_rate` is the
    share of failed requests. Nothing is judged, and no step ends, before a deployment has
    had `minimum_requests` in it."""

    error_rate: Annotated[float, Field(ge=0, lt=1)] | None = None
    p95_latency_ms: Annotated[float, Field(gt=0)] | None = None
    minimum_requests: Annotated[int, Field(ge=1, le=10_000_000)] = 50

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.error_rate is None and self.p95_latency_ms is None:
            raise ValueError("limits need errorRate or p95LatencyMs: nothing would be guarded")
        return self


class RolloutPlan(Value):
    """What a change of traffic may carry."""

    steps: Annotated[list[RolloutStep], Field(min_length=1, max_length=MAX_STEPS)]
    limits: RolloutLimits


class RolloutState(StrEnum):
    RUNNING = "Running"
    COMPLETED = "Completed"
    ROLLED_BACK = "RolledBack"
    ENDED = "Ended"


@dataclass(frozen=True)
class Observed:
    """What all gateways saw of one deployment in one step; `p95` in seconds."""

    requests: int
    errors: int
    p95: float | None

    @classmethod
    def of(cls, sums: Sums) -> "Observed":
        return cls(
            int(sums.get("requests", 0)),
            int(sums.get("errors", 0)),
            quantile(sums.get("latency", {}), 0.95),
        )


class Verdict(StrEnum):
    HOLD = "hold"
    GO_ON = "go on"
    GO_BACK = "go back"


class Rollout(Value):
    """One rollout of an endpoint, under way or over. `before` is the traffic it began from;
    `step` counts from 0; `reason` says why it is where it is."""

    id: str
    plan: RolloutPlan
    before: Percentages
    state: RolloutState = RolloutState.RUNNING
    step: int = 0
    step_since: datetime
    started_at: datetime
    started_by: str
    ended_at: datetime | None = None
    reason: str | None = None

    @property
    def running(self) -> bool:
        return self.state is RolloutState.RUNNING

    @property
    def traffic(self) -> Percentages:
        """The traffic of the current step."""
        return self.plan.steps[self.step].traffic

    @property
    def guarded(self) -> list[str]:
        """The deployments that have more traffic in this step than before the rollout."""
        before = {name.casefold(): percent for name, percent in self.before.items()}
        return [n for n, percent in self.traffic.items() if percent > before.get(n.casefold(), 0)]

    @property
    def tally(self) -> str:
        """What requests of the current step are counted under."""
        return f"{self.id}.{self.step}"

    def names(self, deployment: str) -> bool:
        """Whether the deployment has a part in it, so that it may not go yet."""
        splits = [self.before, *(step.traffic for step in self.plan.steps)]
        folded = deployment.casefold()
        return any(p and n.casefold() == folded for split in splits for n, p in split.items())

    def judge(self, now: datetime, observed: Mapping[str, Observed]) -> tuple[Verdict, str]:
        """What the figures of the guarded deployments say, and why."""
        limits = self.plan.limits
        waiting: list[str] = []
        for name in self.guarded:
            seen = observed.get(name, Observed(0, 0, None))
            if seen.requests < limits.minimum_requests:
                waiting.append(f"{name} has had {seen.requests} of {limits.minimum_requests}")
                continue
            rate = seen.errors / seen.requests
            if limits.error_rate is not None and rate > limits.error_rate:
                return Verdict.GO_BACK, (
                    f"Step {self.step + 1}: {seen.errors} of {seen.requests} requests to "
                    f"'{name}' failed ({rate:.2%}); the limit is {limits.error_rate:.2%}."
                )
            p95 = None if seen.p95 is None else seen.p95 * 1000
            if limits.p95_latency_ms is not None and p95 and p95 > limits.p95_latency_ms:
                return Verdict.GO_BACK, (
                    f"Step {self.step + 1}: the 95th percentile of '{name}' is {p95:.1f} ms "
                    f"over {seen.requests} requests; the limit is {limits.p95_latency_ms:g} ms."
                )
        due = self.step_since + self.plan.steps[self.step].duration
        if now < due:
            return Verdict.HOLD, f"Step {self.step + 1} holds until {due.isoformat()}."
        if waiting:
            return Verdict.HOLD, (f"Step {self.step + 1} waits for requests: {'; '.join(waiting)}.")
        return Verdict.GO_ON, f"Step {self.step + 1} kept its limits."

    def advanced(self, now: datetime) -> "Rollout":
        """In the next step, or Completed."""
        if self.step + 1 == len(self.plan.steps):
            return self.over(RolloutState.COMPLETED, "Every step kept its limits.", now)
        return self.but(step=self.step + 1, step_since=now)

    def over(self, state: RolloutState, reason: str, now: datetime) -> "Rollout":
        return self.but(state=state, reason=reason, ended_at=now)


def plan_faults(
    plan: RolloutPlan,
    before: Mapping[str, int],
    mirror_traffic: Mapping[str, int],
    deployments: Sequence[str],
) -> list[Detail]:
    """Every fault of a plan that begins from `before`."""
    faults: list[Detail] = []
    if not any(before.values()):
        told = "No deployment has traffic yet, so there is nothing to go back to. Give it first."
        faults.append(Detail("TrafficNotAllocatable", told, "properties.rollout"))
    mirrors = {name.casefold() for name, percent in mirror_traffic.items() if percent}
    for name, percent in before.items():
        if percent and name.casefold() in mirrors:
            told = f"'{name}' is the mirror; a rollback would give it live traffic."
            faults.append(Detail("TrafficNotAllocatable", told, "properties.rollout"))
    for number, step in enumerate(plan.steps):
        at = f"properties.rollout.steps.{number}.traffic"
        if not any(step.traffic.values()):
            told = "A step gives traffic to some deployment."
            faults.append(Detail("TrafficNotAllocatable", told, at))
        for fault in traffic_faults(step.traffic, {}, deployments):
            target = at + (fault.target or "").removeprefix("properties.traffic")
            faults.append(Detail(fault.code, fault.message, target))
        for name, percent in step.traffic.items():
            if percent and name.casefold() in mirrors:
                told = f"'{name}' is the mirror and cannot hold live traffic at once."
                faults.append(Detail("TrafficNotAllocatable", told, f"{at}.{name}"))
    return faults
