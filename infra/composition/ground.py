"""What every feature stands on."""

from dataclasses import dataclass

from domain.events.subscribers import Subscribers
from domain.figures.fact_figures import FactFigures
from domain.ground.counting.tally import Tally
from domain.ground.outbox import Outbox
from domain.ground.stored_sums import StoredSums
from domain.identities.identity_holding import IdentityHolding
from domain.identities.identity_store import IdentityStore
from domain.names import WorkspaceScope
from domain.provisioning.provisioned import Means
from infra.composition.adapters import Adapters

_WRITE_LIMIT = 5.0
"""Seconds that storing counts may take, where the next are not due later still."""


@dataclass(frozen=True)
class Ground:
    adapters: Adapters
    scope: WorkspaceScope
    location: str
    subscribers: Subscribers
    outbox: Outbox
    sums: StoredSums
    identities: IdentityStore
    holding: IdentityHolding
    tally: Tally
    """What figures over time are told of what happens now and then."""


def compose_ground(
    adapters: Adapters, *, scope: WorkspaceScope, location: str, aggregate_period: float
) -> Ground:
    a = adapters
    period = aggregate_period
    subscribers, tally = Subscribers(a.store, a.clock), Tally()
    identities = IdentityStore(a.store)
    return Ground(
        adapters=a,
        scope=scope,
        location=location,
        subscribers=subscribers,
        outbox=Outbox(a.store, a.queue, a.clock, subscribers.wanted, FactFigures(tally).saved),
        tally=tally,
        sums=StoredSums(a.store, a.clock, period=period, write_limit=max(period, _WRITE_LIMIT)),
        identities=identities,
        holding=IdentityHolding(
            identities, a.clock, scope, location, elsewhere=a.identities_elsewhere
        ),
    )


def means(ground: Ground) -> Means:
    """What endpoints are provisioned with."""
    a = ground.adapters
    return Means(a.store, a.queue, a.clock, ground.scope, ground.outbox, a.room, ground.holding)
