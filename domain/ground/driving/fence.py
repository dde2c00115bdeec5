"""Which messages may take a process further.

The document of a driven process says in `chain` and `tick` which message it waits for, and the
message says the same. Each saved step raises `tick`; whoever takes the process over (the sweep,
a request that changes it, a nudge) raises `chain` and begins at tick 0. So of any number of
messages that are doubled, late or out of order, those that name what the document names take it
further, and of these the one whose step is saved first.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol, Self, TypeVar


class Chained(Protocol):
    """A message of a process. `tick` and `generation` are there where the process has them;
    without a chain it is a nudge."""

    @property
    def chain(self) -> int | None: ...


class Fenced(Protocol):
    """What the document of a process holds; `tick` and `generation` as in Chained."""

    @property
    def chain(self) -> int: ...

    def but(self, **changes: Any) -> Self: ...


F = TypeVar("F", bound=Fenced)


class Verdict(Enum):
    """On a message. GO_ON: it takes the next step. RESEND: the step it was for is saved, and
    its successor may never have been sent. STALE: others have gone on, or taken over."""

    GO_ON = "go on"
    RESEND = "resend"
    STALE = "stale"


@dataclass(frozen=True)
class Fence:
    """Where a process stands, or where a message takes it to stand. No `tick`: its looks are
    not counted in its document. `generation` counts what was wished of it, where wishes are
    counted."""

    chain: int
    tick: int | None = None
    generation: int | None = None

    @classmethod
    def of(cls, state: Fenced) -> Self:
        return cls(state.chain, *_counts(state))

    @classmethod
    def named_by(cls, message: Chained) -> Self | None:
        """None for a nudge."""
        return None if message.chain is None else cls(message.chain, *_counts(message))

    def verdict(self, message: "Fence", *, untold: bool) -> Verdict:
        """On `message`, as the process stands here. `untold`: this delivery, or an earlier one
        of the same message, may have saved a step and sent nothing after it.

        The rule is one for all processes: an untold message of this very chain that is behind
        it by any number of ticks has its successor sent again. Exactly one tick behind would
        miss those whose delivery took several steps at once; an older chain needs nothing, for
        whoever took it over sends a message, and falls due otherwise. A resent message costs a
        look at most, for its double is stale once either has been saved."""
        if (message.generation, message.chain) != (self.generation, self.chain):
            return Verdict.STALE
        if message.tick == self.tick:
            return Verdict.GO_ON
        behind = message.tick is not None and self.tick is not None and message.tick < self.tick
        return Verdict.RESEND if untold and behind else Verdict.STALE

    def ticked(self) -> Self:
        """After a step of this chain."""
        return self if self.tick is None else replace(self, tick=self.tick + 1)

    def taken_over(self) -> Self:
        """By a new chain: all messages there are have become stale."""
        return replace(self, chain=self.chain + 1, tick=None if self.tick is None else 0)

    def on(self, state: F) -> F:
        """`state`, as this says that it stands."""
        if self.tick is None:
            return state.but(chain=self.chain)
        return state.but(chain=self.chain, tick=self.tick)


def taken_over(state: F) -> F:
    """`state` with a new chain, whose first message is still to be sent."""
    return Fence.of(state).taken_over().on(state)


def _counts(of: Chained | Fenced) -> tuple[int | None, int | None]:
    return getattr(of, "tick", None), getattr(of, "generation", None)
