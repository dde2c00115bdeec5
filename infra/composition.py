"""The one place where adapters are chosen and activities are put together."""

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from domain.application import Application
from domain.assets.asset_registration import AssetRegistration
from domain.assets.asset_use import AssetUse
from domain.assets.datastore import Datastores
from domain.batch.batch_deployment import KIND as BATCH_DEPLOYMENT
from domain.batch.batch_provisioning import BatchProvisioning
from domain.batch.compute_target import ComputeTargets
from domain.drops import blob_drop, taken_drops
from domain.drops.blob_dropping import BlobDropping
from domain.drops.drop_limits import DropLimits
from domain.drops.taken_drops import TakenDrops
from domain.events.delivery_record import OnSettled
from domain.events.subscribers import Subscribers
from domain.ground.operation import Operations
from domain.ground.outbox import Outbox
from domain.ground.stored_sums import StoredSums
from domain.ground.sweeping import Sweeping
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.job_retention import JobRetention
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.planning.job_planning import JobPlanning
from domain.jobs.records import batch_job
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.names import WorkspaceScope
from domain.online import rollout_changes
from domain.online.endpoint_changes import EndpointChanges
from domain.online.endpoint_tokens import TokenSettings
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from domain.online.online_provisioning import OnlineProvisioning
from domain.online.token_issuing import TokenIssuing
from domain.ports import (
    BlobStore,
    Cipher,
    Clock,
    Compute,
    EventTopics,
    ResourceStore,
    Scorer,
    TokenVerifier,
    Webhooks,
    WorkQueue,
)
from domain.rollout.guarded_rollout import GuardedRollout
from domain.rollout.mirroring import Mirroring
from domain.rollout.shadow_reporting import ShadowReporting
from domain.scaling.scaling import Scaling
from domain.scaling.waking import Waking
from domain.schedules import schedule
from domain.schedules.schedules import Schedules
from domain.schedules.scheduling import Scheduling
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.request_record import OnFinished
from domain.scoring.scoring_access import ScoringAccess
from infra.event_composition import compose_events, compose_inbound
from infra.settings import Settings
from infra.telemetry import telemetry
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles

if TYPE_CHECKING:
    from infra.compute.local.serving.instance_figures import Running

Told = TypeVar("Told")

_HOSTS: dict[str, Literal["embedded", "functions"]] = {
    "embedded": "embedded",
    "azure": "functions",
}


@dataclass(frozen=True)
class Adapters:
    """One family of adapters, one of each for the process."""

    store: ResourceStore
    queue: WorkQueue
    blobs: BlobStore
    compute: Compute
    scorer: Scorer
    cipher: Cipher
    clock: Clock
    verifier: TokenVerifier
    scoring_verifier: TokenVerifier
    """For tokens of the scoring audience, as aad_token endpoints take them."""
    webhooks: Webhooks
    topics: EventTopics
    on_finished: tuple[OnFinished, ...] = ()
    """Who is told of each scoring request that has ended."""
    on_settled: tuple[OnSettled, ...] = ()
    """Who is told of each round of deliveries of events that has ended."""
    running: "Running | None" = None
    """What can be measured of instances, where this process runs them."""


def compose(settings: Settings) -> Application:
    """The application on the adapters that the settings name. Opens nothing: adapters open
    what they need at first use."""
    adapters = _adapters(settings)
    if telemetry.start(settings):
        adapters = _traced(adapters)
    return _application(settings, adapters)


def _adapters(settings: Settings) -> Adapters:
    match settings.host or _HOSTS[settings.platform]:
        case "embedded":
            from infra.embedded.services import EmbeddedServices

            services = EmbeddedServices.open(settings)
            stores = services.stores
            return Adapters(
                store=stores.store,
                queue=stores.queue,
                blobs=stores.blobs,
                compute=services.compute,
                scorer=services.scorer,
                cipher=stores.cipher,
                clock=services.clock,
                verifier=services.token_verifier,
                scoring_verifier=services.scoring_token_verifier,
                webhooks=services.webhooks,
                topics=stores.topics,
                on_finished=services.on_finished,
                on_settled=(services.delivery_metrics.record,),
                running=services.compute,
            )
        case "functions":
            from infra.cloud.no_compute import NoCompute, NoScorer
            from infra.cloud.services import CloudServices

            cloud = CloudServices.open(settings)
            return Adapters(
                store=cloud.store,
                queue=cloud.queue,
                blobs=cloud.blobs,
                compute=NoCompute(),
                scorer=NoScorer(),
                cipher=cloud.cipher,
                clock=cloud.clock,
                verifier=cloud.token_verifier,
                scoring_verifier=cloud.scoring_token_verifier,
                webhooks=cloud.webhooks,
                topics=cloud.topics,
            )


def _traced(adapters: Adapters) -> Adapters:
    from infra.compute.local.serving.instance_figures import InstanceMeters
    from infra.telemetry.delivery_metrics import DeliveryMeters
    from infra.telemetry.request_meters import RequestMeters
    from infra.telemetry.traced import TracedScorer, TracedWorkQueue

    if adapters.running is not None:
        InstanceMeters(adapters.running)
    return replace(
        adapters,
        queue=TracedWorkQueue(adapters.queue),
        scorer=TracedScorer(adapters.scorer),
        on_finished=(*adapters.on_finished, RequestMeters().record),
        on_settled=(*adapters.on_settled, DeliveryMeters().record),
    )


def _each(listeners: tuple[Callable[[Told], None], ...]) -> Callable[[Told], None] | None:
    if len(listeners) < 2:
        return listeners[0] if listeners else None

    def tell(told: Told) -> None:
        for listener in listeners:
            listener(told)

    return tell


def _application(settings: Settings, adapters: Adapters) -> Application:
    a = adapters
    scope = WorkspaceScope(settings.subscription_id, settings.resource_group, settings.workspace)
    location = settings.location
    in_use = AssetUse(a.store, scope, (ONLINE_DEPLOYMENT, BATCH_DEPLOYMENT)).of
    assets = AssetRegistration(a.store, a.blobs, a.compute, a.clock, scope, in_use=in_use)
    computes = ComputeTargets(
        a.store,
        a.compute,
        a.clock,
        scope,
        location,
        in_use=in_use,
        idle_time=timedelta(seconds=settings.worker_idle_time),
    )
    route_table = RouteTable(a.store, a.clock, read_limit=settings.route_read_limit)
    subscribers = Subscribers(a.store, a.clock)
    outbox = Outbox(a.store, a.queue, a.clock, subscribers.wanted)
    changes = EndpointChanges(a.store, route_table.invalidate, outbox)
    sums = StoredSums(a.store, a.clock, period=settings.aggregate_period)
    rollouts = GuardedRollout(a.store, a.clock, changes, sums)
    instances = InstanceChoice(a.compute)
    online = OnlineProvisioning(
        a.store,
        a.queue,
        a.compute,
        a.clock,
        scope,
        location,
        assets=assets,
        blobs=a.blobs,
        cipher=a.cipher,
        changed=route_table.invalidate,
        outbox=outbox,
    )
    batch = BatchProvisioning(
        a.store,
        a.queue,
        a.compute,
        a.clock,
        scope,
        location,
        assets=assets,
        blobs=a.blobs,
        computes=computes,
        outbox=outbox,
    )
    web = PublicWebFiles(
        OutboundAddresses(settings.private_networks),
        max_bytes=settings.web_file_max_bytes,
        max_time=settings.web_file_max_time,
    )
    invocation = JobInvocation(
        a.store,
        a.queue,
        a.blobs,
        a.clock,
        scope,
        assets=assets,
        batch=batch,
        web=web,
        outbox=outbox,
    )
    workers = JobWorkers(a.store, a.compute, batch)
    alone = settings.platform == "embedded"
    supervision = JobSupervision(
        a.store,
        a.queue,
        a.blobs,
        a.compute,
        a.clock,
        batch=batch,
        planning=JobPlanning(a.blobs, web),
        outbox=outbox,
        units_ahead=alone if settings.units_ahead is None else settings.units_ahead,
    )
    dropping = BlobDropping(
        a.store,
        a.queue,
        a.blobs,
        a.clock,
        invocation=invocation,
        limits=DropLimits(
            settings.drop_quiet_period,
            settings.drop_max_wait,
            settings.drop_max_files,
            settings.drop_max_bytes,
        ),
        outbox=outbox,
    )
    scheduling = Scheduling(
        a.store,
        a.queue,
        a.clock,
        invocation=invocation,
        misfire_window=timedelta(seconds=settings.schedule_misfire_window),
    )
    jobs = BatchJobs(a.store, a.queue, a.blobs, a.clock, scope)
    keep = timedelta(days=settings.job_retention_days) or None
    events = compose_events(
        a.store,
        a.queue,
        a.clock,
        a.cipher,
        a.webhooks,
        a.topics,
        subscribers=subscribers,
        source=scope.id,
        location=location,
        base_url=settings.base_url,
        on_settled=_each(a.on_settled),
    )
    inbound = compose_inbound(
        a.store,
        a.queue,
        a.clock,
        a.cipher,
        sums=sums,
        invocation=invocation,
        location=location,
    )
    sweeping = Sweeping(
        a.store,
        a.clock,
        {
            **events.owners,
            **inbound.owners,
            batch_job.KIND: supervision.resume,
            blob_drop.KIND: dropping.resume,
            taken_drops.KIND: TakenDrops(a.store, a.blobs, a.clock).resume,
            rollout_changes.ALARM_KIND: rollouts.resume,
            schedule.STATE_KIND: scheduling.resume,
            online.endpoint_kind: online.resume,
            online.deployment_kind: online.resume,
            batch.endpoint_kind: batch.resume,
            batch.deployment_kind: batch.resume,
        },
    )
    return Application(
        scope=scope,
        location=location,
        base_url=settings.base_url,
        verifier=a.verifier,
        sweep_schedule=settings.sweep_schedule,
        restore_schedule=settings.restore_schedule,
        inbox_by_event_grid=settings.inbox_source == "event_grid",
        operations=Operations(a.store),
        assets=assets,
        datastores=Datastores(a.blobs),
        computes=computes,
        online=online,
        batch=batch,
        tokens=TokenIssuing(changes, a.cipher, a.clock, _token_settings(settings)),
        rollouts=rollouts,
        shadow_reports=ShadowReporting(a.store, changes),
        scoring=OnlineScoring(
            route_table,
            a.compute,
            a.scorer,
            access=ScoringAccess(a.cipher, a.clock, a.scoring_verifier),
            instances=instances,
            mirroring=Mirroring(
                a.scorer,
                instances,
                sums,
                max_in_flight=settings.mirror_max_in_flight,
                max_bytes=settings.mirror_max_bytes,
            ),
            sums=sums,
            max_request_bytes=settings.max_request_bytes,
            on_finished=_each(a.on_finished),
            waking=Waking(a.compute, a.queue, online.bring_to_scale, limit=settings.wake_wait),
        ),
        cors_origins=settings.cors_origins,
        invocation=invocation,
        jobs=jobs,
        retention=JobRetention(a.store, a.blobs, a.clock, jobs, keep=keep),
        supervision=supervision,
        units=UnitDelivery(
            a.store,
            a.queue,
            a.blobs,
            a.scorer,
            a.clock,
            workers=workers,
            holder=f"{platform.node()}:{settings.data_dir.absolute()}",
        ),
        workers=workers,
        dropping=dropping,
        schedules=Schedules(a.store, a.queue, a.clock, location),
        scheduling=scheduling,
        events=events,
        inbound=inbound,
        scaling=Scaling(
            a.store,
            a.compute,
            a.scorer,
            a.clock,
            online,
            idle_time=timedelta(seconds=settings.scale_idle_time),
        ),
        sweeping=sweeping,
    )


def _token_settings(settings: Settings) -> TokenSettings:
    return TokenSettings(
        lifetime=timedelta(seconds=settings.aml_token_lifetime),
        refresh_after=timedelta(seconds=settings.aml_token_refresh_after),
        key_rotation=timedelta(seconds=settings.aml_token_key_rotation),
    )
