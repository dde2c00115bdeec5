"""How long things may take on the batch path before somebody looks again, and how much of a job
goes together."""

from dataclasses import dataclass

from domain.ground.driving.driver import GRACE


@dataclass(frozen=True)
class JobTimes:
    """In seconds, but for what counts looks or parts."""

    wait_limit: float = 240.0
    """The longest that one invocation waits on a unit; past it, it sends itself again."""
    claim_lease: float = 300.0
    """A claimed unit is taken over when nothing was heard of it for this long. Longer than
    `wait_limit`."""
    release_lease: float = 30.0
    """A unit that was sent is sent again when nobody has claimed it by then; each time the
    wait doubles, to ten minutes."""
    wait_again: float = 1.0
    """Pause before an invocation that gave up waiting looks again."""
    bundle_seconds: float = 0.02
    """What the scripts of a bundle of units are to take together, about: units that take
    longer are not bundled."""
    bundle_parts: int = 20
    """A bundle is no larger than one of so many parts of what its job has had recorded."""
    bundle_limit: float = 2.0
    """A bundle that has not ended by then is taken apart: what is left of it goes by itself.
    Bundles are to take no more than half as long, whatever it is that takes their time."""
    worker_pause: float = 0.25
    """Pause before a unit that found no worker tries again."""
    supervise_every: float = 3.0
    """Between two looks at a running job."""
    report_looks: int = 10
    """Looks at a running job from one report of its progress in the logs to the next."""
    quota_pause: float = 2.0
    """Before a job that found the compute full of other jobs asks again."""
    grace: float = GRACE
    """A job whose next look is overdue by this much is taken over by the sweep."""
    plan_limit: float = 840.0
    """A job whose planning takes longer fails. Shorter than `plan_lease`."""
    plan_lease: float = 900.0
    """The longest that planning, or joining results, goes on before the sweep takes over."""

    web_pause: float = 1.0
    """Pause before a web file that did not come is asked for again, doubled each time."""
    most_units: int = 40_000
    """A job of more mini-batches has several in each unit. A blob has at most 50,000 blocks; some
    are left for headers and rewritten rows."""
    join_slice: float = 60.0
    """The longest that one step joins the results of a retry, about."""
    between_slices: float = 0.05
    """Between two such steps."""
    usage_kept: float = 400 * 86400.0
    """For so long what a job has moved is known after its end."""

    def release_lease_after(self, resends: int) -> float:
        return min(600.0, self.release_lease * 2.0 ** min(resends, 10))

    def compute_pause(self, looks: int) -> float:
        """Between two looks at compute that is not ready: 50 ms at first, 1 s at most, and about
        a twelfth of the time that it takes."""
        return min(1.0, 0.05 * 1.08 ** min(looks, 50))
