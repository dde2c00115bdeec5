"""The whole application as one record: what handlers are given."""

from dataclasses import dataclass

from domain.alerts.activities import AlertActivities
from domain.assets.activities import AssetActivities
from domain.audit.activities import AuditActivities
from domain.batch.activities import BatchActivities
from domain.collecting.payload_collecting import PayloadCollecting
from domain.drops.activities import DropActivities
from domain.events.activities import EventActivities
from domain.figures.activities import FigureActivities
from domain.ground.driving.sweeping import Sweeping
from domain.ground.giving_back import GivingBack
from domain.ground.operation import Operations
from domain.ground.stored_sums import StoredSums
from domain.identities.activities import IdentityActivities
from domain.identities.sign_in_links import SignInLinks
from domain.inbound.activities import InboundActivities
from domain.jobs.activities import JobActivities
from domain.ledger.activities import LedgerActivities
from domain.names import WorkspaceScope
from domain.online.activities import OnlineActivities
from domain.overview.asset_lineage import AssetLineage
from domain.overview.overview_reading import OverviewReading
from domain.ports import CallerAddresses, Cipher, Clients, SignIns, TokenVerifier
from domain.rollout.activities import RolloutActivities
from domain.scaling.scale_watching import ScaleWatching
from domain.scaling.scaling import Scaling
from domain.schedules.activities import ScheduleActivities
from domain.scoring.online_scoring import OnlineScoring
from domain.usage.activities import UsageActivities


@dataclass(frozen=True)
class Triggers:
    """How the host is told when to call. Schedules are NCRONTAB, six fields.
    `inbox_by_event_grid`: a queue tells of blobs in the inbox, and the host need not look.
    `by_clock`: the host is there all the time, so that the clock costs nothing: timers come due
    when it starts, too, and one of them has deployments scaled. Else as little as can be is done
    by the clock. `scoring_alone`: nothing but scoring requests has anything done; all else is
    another host's."""

    sweep_schedule: str
    restore_schedule: str
    inbox_by_event_grid: bool
    by_clock: bool
    scoring_alone: bool


@dataclass(frozen=True)
class Verifiers:
    """Of the callers of the control plane, and of the data plane of batch endpoints."""

    control: TokenVerifier
    data: TokenVerifier


@dataclass(frozen=True)
class StudioAccess:
    """How people sign in to the studio: at the issuer, with sessions that are sealed, or by links
    of this installation's own."""

    sign_ins: SignIns
    cipher: Cipher
    links: SignInLinks


@dataclass(frozen=True)
class Application:
    """Built once, by infra/composition; every trigger shares it."""

    scope: WorkspaceScope
    location: str
    base_url: str
    scoring_domain: str | None
    scoring_url: str | None
    callers: CallerAddresses
    cors_origins: tuple[str, ...]
    verifiers: Verifiers
    clients: Clients
    studio: StudioAccess
    identities: IdentityActivities
    triggers: Triggers
    audit: AuditActivities
    operations: Operations
    assets: AssetActivities
    online: OnlineActivities
    rollout: RolloutActivities
    scoring: OnlineScoring
    collecting: PayloadCollecting
    sums: StoredSums
    scaling: Scaling
    scale_watching: ScaleWatching
    batch: BatchActivities
    jobs: JobActivities
    drops: DropActivities
    schedules: ScheduleActivities
    events: EventActivities
    inbound: InboundActivities
    figures: FigureActivities
    ledger: LedgerActivities
    alerts: AlertActivities
    overview: OverviewReading
    lineage: AssetLineage
    usage: UsageActivities
    sweeping: Sweeping
    giving_back: GivingBack

    async def close(self, *, grace: float = 2.0) -> None:
        """For a host that stops, once nothing is triggered any more: what goes on behind
        requests that were answered ends within `grace` seconds or little more, and whatever
        was counted is stored."""
        await self.scoring.close(grace=grace)
        await self.sums.close()
        await self.figures.gathering.close()
        await self.ledger.close()
        await self.audit.close()
