"""What travels on queues: small, imperative, naming work and never carrying it.

Every message may come twice, late or never; its handler looks at the stored state and
does what is still to be done.
"""

from typing import Literal

from domain.values import Value

PROVISIONING_QUEUE = "provisioning"
BATCH_JOBS_QUEUE = "batch-jobs"
MINI_BATCHES_QUEUE = "mini-batches"
BLOB_DROPS_QUEUE = "blob-drops"


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
