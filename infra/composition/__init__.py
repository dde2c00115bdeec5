"""The application, put together feature by feature on the adapters that the settings name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from domain.application import Application, Triggers, Verifiers
from domain.assets.activities import AssetActivities
from domain.audit.activities import AuditActivities
from domain.batch.activities import BatchActivities
from domain.collecting.payload_collecting import PayloadCollecting
from domain.ground.driving.sweeping import Resume, Sweeping
from domain.ground.giving_back import GivingBack
from domain.ground.messages import ARRIVALS, QUEUES
from domain.ground.operation import Operations
from domain.jobs.activities import JobActivities
from domain.jobs.records.job_times import JobTimes
from domain.names import WorkspaceScope
from domain.online.activities import OnlineActivities
from domain.rollout.activities import RolloutActivities
from domain.scoring.online_routing import RouteTable
from domain.scoring.online_scoring import OnlineScoring
from domain.usage.activities import UsageActivities
from domain.usage.dead_messages import DeadMessages
from domain.usage.readiness import Readiness
from domain.usage.rehearsing import RehearsingStore
from domain.usage.secret_renewing import SecretRenewing
from domain.usage.storage_usages import StorageUsages
from infra.composition.adapters import Adapters, chosen, traced
from infra.composition.assets import asset_use, compose_assets, compose_lineage
from infra.composition.audit import compose_audit
from infra.composition.batch import compose_batch
from infra.composition.computes import compose_computes
from infra.composition.drops import compose_drops
from infra.composition.events import compose_events
from infra.composition.ground import Ground, compose_ground
from infra.composition.identities import compose_identities, compose_studio
from infra.composition.inbound import compose_inbound
from infra.composition.jobs import compose_jobs
from infra.composition.online import compose_online, compose_rollout
from infra.composition.schedules import compose_schedules
from infra.composition.scoring import (
    compose_collecting,
    compose_instances,
    compose_routes,
    compose_scaling,
    compose_scoring,
    compose_waking,
)
from infra.composition.usage.alerts import compose_alerts
from infra.composition.usage.figures import compose_figures, compose_overview
from infra.composition.usage.ledger import compose_ledger
from infra.compute.remote import ready_nodes
from infra.settings import Settings
from infra.telemetry import telemetry
from infra.telemetry.request_telling import RequestTelling


def compose(settings: Settings) -> Application:
    """The application on the adapters that the settings name. Opens nothing: adapters open
    what they need at first use."""
    adapters = chosen(settings)
    if telemetry.start(settings):
        adapters = traced(adapters)
    kept = timedelta(days=settings.ledger.kept_days)
    return compose_on(adapters, settings, JobTimes(usage_kept=kept.total_seconds()))


def compose_on(adapters: Adapters, settings: Settings, times: JobTimes) -> Application:
    """The application on `adapters`, whatever the settings say of them."""
    ground = _ground(replace(adapters, store=RehearsingStore(adapters.store)), settings)
    use = asset_use(ground)
    assets = compose_assets(ground, use=use)
    routes = compose_routes(ground, settings.scoring)
    computes = compose_computes(ground, settings.batch, use=use)
    online = compose_online(ground, settings.tokens, assets.sources, computes, routes.invalidate)
    rollout, collecting, scoring = _scoring(ground, settings, routes, assets, online)
    scaling, watching = compose_scaling(ground, settings.scaling, online=online)
    batch = compose_batch(ground, sources=assets.sources, computes=computes)
    jobs = _jobs(ground, settings, times, assets=assets, batch=batch)
    drops = compose_drops(ground, settings.drops, jobs.invocation, batch.documents)
    schedules = compose_schedules(ground, settings.schedules, invocation=jobs.invocation)
    events = compose_events(ground, base_url=settings.installation.base_url)
    inbound = compose_inbound(ground, invocation=jobs.invocation)
    figures = compose_figures(ground, settings.figures, online=online)
    ledger = compose_ledger(ground, settings.ledger, figures, assets, online=online, batch=batch)
    alerts = compose_alerts(ground, figures=figures, online=online, batch=batch)
    features = (assets, online, rollout, batch, jobs, drops, schedules, events, inbound)
    owners = [each.owners for each in (*features, ledger, alerts)]
    return Application(
        scope=ground.scope,
        location=ground.location,
        base_url=settings.installation.base_url,
        scoring_domain=settings.reach.scoring_domain,
        scoring_url=settings.reach.scoring_url,
        callers=adapters.callers,
        cors_origins=settings.scoring.cors_origins,
        verifiers=Verifiers(adapters.verifier, adapters.data_verifier),
        clients=adapters.clients,
        studio=compose_studio(ground),
        identities=compose_identities(ground),
        triggers=_triggers(settings),
        audit=_audit(adapters, settings),
        operations=Operations(adapters.store),
        assets=assets,
        online=online,
        rollout=rollout,
        scoring=scoring,
        collecting=collecting,
        sums=ground.sums,
        scaling=scaling,
        scale_watching=watching,
        batch=batch,
        jobs=jobs,
        drops=drops,
        schedules=schedules,
        events=events,
        inbound=inbound,
        figures=figures,
        ledger=ledger,
        alerts=alerts,
        overview=compose_overview(ground, (figures, ledger), online, batch, jobs),
        lineage=compose_lineage(ground, assets),
        usage=_usage(adapters, settings),
        giving_back=GivingBack(adapters.queue),
        sweeping=_sweeping(adapters, [watching.owners, *owners]),
    )


def _ground(adapters: Adapters, settings: Settings) -> Ground:
    here = settings.installation
    return compose_ground(
        adapters,
        scope=WorkspaceScope(here.subscription_id, here.resource_group, here.workspace),
        location=here.location,
        aggregate_period=settings.scoring.aggregate_period,
    )


def _scoring(
    ground: Ground,
    settings: Settings,
    routes: RouteTable,
    assets: AssetActivities,
    online: OnlineActivities,
) -> tuple[RolloutActivities, PayloadCollecting, OnlineScoring]:
    instances = compose_instances(ground)
    rollout = compose_rollout(ground, settings.scoring, changes=online.changes, instances=instances)
    collecting = compose_collecting(ground, settings.collecting, assets=assets.registration)
    waking = compose_waking(ground, settings.scaling, following=online.following)
    taps = (*rollout.taps, collecting, RequestTelling(settings.installation.workspace_id))
    scoring = compose_scoring(ground, settings.scoring, routes, instances, waking, taps)
    return rollout, collecting, scoring


def _usage(a: Adapters, settings: Settings) -> UsageActivities:
    by_event_grid = _triggers(settings).inbox_by_event_grid
    queues = [each for each in QUEUES if each != ARRIVALS or by_event_grid]
    return UsageActivities(
        storage=StorageUsages(a.store, a.blobs, a.disk),
        readiness=Readiness(a.store, a.clock),
        renewing=SecretRenewing(a.store, a.cipher, ready_nodes.SEALED),
        dead_messages=DeadMessages(a.dead_letters, queues),
    )


def _audit(adapters: Adapters, settings: Settings) -> AuditActivities:
    period = settings.scoring.aggregate_period
    return compose_audit(adapters.audit_log, adapters.clock, settings.access, period=period)


def _sweeping(adapters: Adapters, owners: Sequence[Mapping[str, Resume]]) -> Sweeping:
    resumes = {kind: resume for owned in owners for kind, resume in owned.items()}
    return Sweeping(adapters.store, adapters.clock, resumes)


def _jobs(
    ground: Ground,
    settings: Settings,
    times: JobTimes,
    *,
    assets: AssetActivities,
    batch: BatchActivities,
) -> JobActivities:
    return compose_jobs(
        ground,
        settings.batch,
        assets=assets.registration,
        batch=batch,
        times=times,
        units_ahead=settings.installation.platform == "embedded",
    )


def _triggers(settings: Settings) -> Triggers:
    triggers, host = settings.triggers, settings.installation.driven_by
    return Triggers(
        sweep_schedule=triggers.sweep_schedule,
        restore_schedule=triggers.restore_schedule,
        inbox_by_event_grid=host == "functions" and triggers.inbox_source == "event_grid",
        by_clock=host == "embedded",
        scoring_alone=settings.installation.serves == "scoring",
    )
