"""What every feature stands on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from domain.events.subscribers import Subscribers
from domain.ground.outbox import Outbox
from domain.ground.stored_sums import StoredSums
from domain.names import WorkspaceScope
from infra.composition.adapters import Adapters
from infra.settings.adapters import InstallationSettings

Told = TypeVar("Told")


@dataclass(frozen=True)
class Ground:
    adapters: Adapters
    scope: WorkspaceScope
    location: str
    subscribers: Subscribers
    outbox: Outbox
    sums: StoredSums


def compose_ground(
    adapters: Adapters, installation: InstallationSettings, *, aggregate_period: float
) -> Ground:
    a = adapters
    subscribers = Subscribers(a.store, a.clock)
    return Ground(
        adapters=a,
        scope=WorkspaceScope(
            installation.subscription_id, installation.resource_group, installation.workspace
        ),
        location=installation.location,
        subscribers=subscribers,
        outbox=Outbox(a.store, a.queue, a.clock, subscribers.wanted),
        sums=StoredSums(a.store, a.clock, period=aggregate_period),
    )


def each(listeners: tuple[Callable[[Told], None], ...]) -> Callable[[Told], None] | None:
    """All of `listeners` as one; None where there are none."""
    if len(listeners) < 2:
        return listeners[0] if listeners else None

    def tell(told: Told) -> None:
        for listener in listeners:
            listener(told)

    return tell
