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
from typing import Annotated

from pydantic import Field

from domain.errors import Detail
from domain.online.traffic.rollout_judgement import (
    Comparison,
    Incumbent,
    Observed,
    RolloutLimits,
    compared,
)
from domain.online.traffic.traffic import Percentages, traffic_faults
from domain.values import Value

MAX_STEPS = 20


class RolloutStep(Value):
    """Traffic, and how long it holds before the next step."""

    traffic: Percentages
    duration: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=7))]


class RolloutPlan(Value):
    """What a change of traffic may carry."""

    steps: Annotated[list[RolloutStep], Field(min_length=1, max_length=MAX_STEPS)]
    limits: RolloutLimits


class RolloutState(StrEnum):
    RUNNING = "Running"
    COMPLETED = "Completed"
    ROLLED_BACK = "RolledBack"
    ENDED = "Ended"


class Verdict(StrEnum):
    HOLD = "hold"
    GO_ON = "go on"
    GO_BACK = "go back"


@dataclass(frozen=True)
class Judgement:
    """What a look at a step comes to, why, and what was compared for it."""

    verdict: Verdict
    why: str
    compared: Sequence[Comparison]


class Rollout(Value):
    """One rollout of an endpoint, under way or over. `before` is the traffic it began from;
    `step` counts from 0; `reason` says why it is where it is, and `compared` what each step
    that is over was judged by."""

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
    # Last, so that what it leaves out when empty moves no other field's place in a document.
    compared: Annotated[list[Comparison], Field(exclude_if=lambda found: not found)] = []

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
    def incumbents(self) -> list[str]:
        """The deployments that have traffic in this step, and no more than before."""
        guarded = set(self.guarded)
        return [n for n, percent in self.traffic.items() if percent and n not in guarded]

    @property
    def counted(self) -> list[str]:
        """The deployments whose requests are counted in this step, case-folded."""
        return [name.casefold() for name, percent in self.traffic.items() if percent]

    @property
    def tally(self) -> str:
        """What requests of the current step are counted under."""
        return f"{self.id}.{self.step}"

    def names(self, deployment: str) -> bool:
        """Whether the deployment has a part in it, so that it may not go yet."""
        splits = [self.before, *(step.traffic for step in self.plan.steps)]
        folded = deployment.casefold()
        return any(p and n.casefold() == folded for split in splits for n, p in split.items())

    def judge(
        self, now: datetime, observed: Mapping[str, Observed], incumbent: Observed
    ) -> "Judgement":
        """What the figures of the guarded deployments and of the incumbents, all together, say
        in this step."""
        limits, number = self.plan.limits, self.step + 1
        against = self._against(incumbent)
        comparisons: list[Comparison] = []
        waiting: list[str] = []
        for name in self.guarded:
            seen = observed.get(name, Observed())
            if seen.requests < limits.minimum_requests:
                waiting.append(f"{name} has had {seen.requests} of {limits.minimum_requests}")
                continue
            keeps, comparison = compared(limits, number, name, seen, against)
            comparisons.append(comparison)
            if not keeps:
                told = f"Step {number}: {comparison.outcome}"
                return Judgement(Verdict.GO_BACK, told, comparisons)
        if limits.relative and against is None and self.incumbents:
            told = f"have had {incumbent.requests} of {limits.minimum_requests}"
            waiting.append(f"{', '.join(self.incumbents)}, to be compared with, {told}")
        due = self.step_since + self.plan.steps[self.step].duration
        if now < due:
            held = f"Step {number} holds until {due.isoformat()}."
            return Judgement(Verdict.HOLD, held, comparisons)
        if waiting:
            told = f"Step {number} waits for requests: {'; '.join(waiting)}."
            return Judgement(Verdict.HOLD, told, comparisons)
        return Judgement(Verdict.GO_ON, f"Step {number} kept its limits.", comparisons)

    def _against(self, incumbent: Observed) -> Incumbent | None:
        """The incumbent of this step, if it has had enough requests; else that of the latest
        step in which one had."""
        if self.incumbents and incumbent.requests >= self.plan.limits.minimum_requests:
            return Incumbent(deployments=self.incumbents, step=self.step + 1, observed=incumbent)
        known = (each.incumbent for each in reversed(self.compared))
        return next((each for each in known if each is not None), None)

    def judged(self, comparisons: Sequence[Comparison]) -> "Rollout":
        """With what its step came to kept."""
        return self.but(compared=[*self.compared, *comparisons])

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
    elif plan.limits.relative and not _keeps(plan.steps[0].traffic, before):
        told = "What the incumbent does is not known: it has no traffic in the first step."
        faults.append(Detail("TrafficNotAllocatable", told, "properties.rollout.limits"))
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


def _keeps(traffic: Mapping[str, int], before: Mapping[str, int]) -> bool:
    """Whether a deployment with traffic gains none."""
    had = {name.casefold(): percent for name, percent in before.items()}
    return any(0 < percent <= had.get(name.casefold(), 0) for name, percent in traffic.items())
