"""What travels on queues: small, imperative, naming work and never carrying it.

Every message may come twice, late or never; its handler looks at the stored state and
does what is still to be done.
"""

from typing import Literal, Self

from domain.values import Value

PROVISIONING_QUEUE = "provisioning"
BATCH_JOBS_QUEUE = "batch-jobs"
MINI_BATCHES_QUEUE = "mini-batches"
BLOB_DROPS_QUEUE = "blob-drops"
SCALING_QUEUE = "scaling"
SCALING_LOOKS_QUEUE = "scaling-looks"
SCHEDULES_QUEUE = "schedules"
EVENTS_QUEUE = "events"
ARRIVALS = "arrivals"
"""Where Event Grid tells of blobs in the inbox: its messages are none of the below."""
QUEUES = (
    *(PROVISIONING_QUEUE, BATCH_JOBS_QUEUE, MINI_BATCHES_QUEUE, BLOB_DROPS_QUEUE, SCALING_QUEUE),
    *(SCALING_LOOKS_QUEUE, SCHEDULES_QUEUE, EVENTS_QUEUE, ARRIVALS),
)

SCHEMA = "schema"
"""The property of a message that says what form its body has (domain/ground/schema.py)."""
GIVEN_BACK = "given_back"
"""The property that counts how often a message was given back, to be handled later or by others."""


class Reconcile(Value):
    """Bring one endpoint or deployment closer to what is wanted.

    `generation` and `chain` discard stale messages: a new mutation raises the first, the
    sweep raises the second when it takes over from a message that got lost. `step` counts
    the looks taken by this chain, so that they come further apart.
    """

    kind: Literal["onlineEndpoints", "batchEndpoints"]
    endpoint: str
    deployment: str | None = None
    generation: int
    chain: int = 0
    step: int = 0


class WakeDeployment(Value):
    """Give an online deployment that sleeps an instance: requests wait for it."""

    endpoint: str
    deployment: str


class LookAtScales(Value):
    """See which autoscaled deployments are due to be looked at. `chain` and `tick` as in
    AdvanceJob."""

    chain: int
    tick: int


class AdvanceJob(Value):
    """Take a batch job's next step: plan it, start its compute, watch it, join its results,
    remove it.

    `chain` and `tick` discard doubled and stale messages: each tick of a chain goes on once,
    and the sweep raises `chain` when it takes over. Without a `chain` it is a nudge (the last
    unit was recorded, say): the job is looked at now, and its chain goes on beside. `unsent`:
    a delivery died that may not have sent the units it had released.
    """

    job: str
    chain: int | None = None
    tick: int = 0
    unsent: bool = False


class ScoreUnit(Value):
    """Score one unit of a batch job, or the bundle of `count` units from it on. With `attempt`
    it goes on with an attempt that an earlier invocation left waiting for the time being
    (`waits` discards doubled ones)."""

    job: str
    unit: int
    count: int = 1
    attempt: int | None = None
    waits: int = 0

    @property
    def units(self) -> range:
        return range(self.unit, self.unit + self.count)

    def each(self) -> list[Self]:
        """A message for each unit of the bundle."""
        return [type(self)(job=self.job, unit=unit) for unit in self.units]


class CheckDrop(Value):
    """See whether the drop that is gathering for an endpoint can be sealed. `chain` and
    `tick` as in AdvanceJob."""

    endpoint: str
    chain: int
    tick: int


class CheckSchedule(Value):
    """See whether a schedule is due. `chain` and `tick` as in AdvanceJob."""

    schedule: str
    chain: int
    tick: int


class DispatchEvent(Value):
    """Give the event of an outbox document to every subscription that asks for it."""

    work: Literal["DispatchEvent"] = "DispatchEvent"
    partition: str
    id: str


class DeliverEvents(Value):
    """Deliver what waits for one subscription. `chain` and `tick` as in AdvanceJob."""

    work: Literal["DeliverEvents"] = "DeliverEvents"
    subscription: str
    uid: str
    chain: int
    tick: int


class ValidateSubscription(Value):
    """Ask a subscription's destination whether it agrees. `attempt` discards doubled ones."""

    work: Literal["ValidateSubscription"] = "ValidateSubscription"
    subscription: str
    uid: str
    generation: int
    attempt: int


class InvokeByEvent(Value):
    """Start the job that an event of another system asks for. `uid` is its mapping's; `attempt`
    discards doubled ones."""

    work: Literal["InvokeByEvent"] = "InvokeByEvent"
    uid: str
    id: str
    attempt: int = 0
