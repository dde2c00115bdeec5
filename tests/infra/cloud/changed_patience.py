"""How long an adapter's calls are tried again, changed between two of them."""

from typing import TypeVar

from infra.cloud.patience import Patience
from infra.cloud.queues.service_bus import Patience as BusPatience

P = TypeVar("P", Patience, BusPatience)


def change(patience: P, **to: float) -> None:
    """For whoever holds it, which must be of this test alone: a fault that lasts must be met
    after what opens a client, and that has all the time it takes."""
    for name, value in to.items():
        assert hasattr(patience, name)
        object.__setattr__(patience, name, value)
