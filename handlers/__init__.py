"""Triggers in, replies out. `blueprints` is the whole app on one screen."""

from collections.abc import Iterator

import azure.functions as func

from domain.application import Application
from handlers import health, openapi, worker_pages
from handlers.access import (
    activity,
    audit_records,
    clients,
    permissions,
    role_assignments,
    sign_in_links,
    user_identities,
)
from handlers.addresses import Addresses
from handlers.admission import Admission
from handlers.control import (
    assets,
    batch_endpoints,
    computes,
    datastores,
    event_mappings,
    event_subscriptions,
    online_actions,
    online_endpoints,
    operations,
    schedules,
    workspaces,
)
from handlers.control.packages import connections
from handlers.control.registry import labels, lineage, revisions
from handlers.control.usage import dead_messages, sizes, storage_usages
from handlers.data import (
    batch_jobs,
    compute_nodes,
    drops,
    events_door,
    job_door,
    job_logs,
    job_results,
    run_history,
    scoring,
)
from handlers.figures import metric_alerts, metrics, overview, traffic
from handlers.http import Routes
from handlers.ledger import budgets, costs
from handlers.messages import (
    arrivals,
    batch_messages,
    event_messages,
    input_blobs,
    provisioning_messages,
    timers,
)
from handlers.studio import portal
from handlers.what_if import Trying
from studio.pages import BUILT, Pages


def blueprints(application: Application) -> Iterator[func.Blueprint]:
    """Every function of the app, grouped as the modules here are; a gateway has but a few."""
    if application.triggers.scoring_alone:
        yield from gateway_blueprints(application)
        return
    yield from http_blueprints(application)
    yield from event_blueprints(application)


def gateway_blueprints(application: Application) -> Iterator[func.Blueprint]:
    """What a host needs that does nothing but score."""
    worker_pages.leave_out()
    routes = _routes(application)
    yield scoring.blueprint(routes, application.scoring, application.cors_origins)
    yield health.blueprint(routes, application.usage.readiness)


def _routes(a: Application) -> Routes:
    trying = Trying(a.ledger.what_if, a.scope).answer
    admission = Admission(a.verifiers.control, a.audit, trying)
    data_admission = Admission(a.verifiers.data, a.audit, trying)
    addresses = Addresses(a.base_url, a.scoring_domain, a.callers, a.scoring_url)
    return Routes(admission, data_admission, a.scope, addresses)


def http_blueprints(application: Application) -> Iterator[func.Blueprint]:
    """What HTTP triggers."""
    worker_pages.leave_out()
    a, routes = application, _routes(application)
    yield workspaces.blueprint(routes, a.location)
    yield assets.blueprint(routes, a.assets.registration)
    yield labels.blueprint(routes, a.assets.registration.labels)
    yield lineage.blueprint(routes, a.lineage)
    yield revisions.blueprint(routes, a.online, a.batch)
    yield datastores.blueprint(routes, a.assets.datastores)
    yield connections.blueprint(routes, a.assets.connections)
    yield computes.blueprint(routes, a.batch.computes)
    yield compute_nodes.blueprint(routes, a.batch.computes, a.jobs.collection)
    yield online_endpoints.blueprint(routes, a.online)
    yield online_actions.blueprint(
        routes, a.online.tokens, a.rollout.guarding, a.rollout.shadow_reports
    )
    yield from _batch_blueprints(routes, a)
    yield storage_usages.blueprint(routes, a.usage.storage)
    yield dead_messages.blueprint(routes, a.usage.dead_messages)
    yield sizes.blueprint(routes, a.batch.capabilities)
    yield traffic.blueprint(routes, a.figures.traffic)
    yield metrics.blueprint(routes, a.figures.reading, a.online, a.batch, a.location)
    yield metric_alerts.blueprint(routes, a.alerts.metric)
    yield overview.blueprint(routes, a.overview)
    yield costs.blueprint(routes, a.ledger, a.online.deployments)
    yield budgets.blueprint(routes, a.ledger.budgets)
    yield permissions.blueprint(routes)
    yield activity.blueprint(routes, a.audit.activity, a.audit.story, a.jobs.collection)
    yield audit_records.blueprint(routes, a.audit.auditing)
    yield clients.blueprint(routes, a.clients)
    yield sign_in_links.blueprint(routes, a.studio.links)
    yield user_identities.blueprint(routes, a.identities.users)
    yield role_assignments.blueprint(routes, a.identities.assignments)
    yield schedules.blueprint(routes, a.schedules, a.jobs.collection)
    yield event_subscriptions.blueprint(routes, a.events.subscriptions, a.events.dead_letters)
    yield event_mappings.blueprint(routes, a.inbound.mappings, a.inbound.receiving)
    yield events_door.blueprint(routes, a.inbound.receiving, a.events.validating)
    yield operations.blueprint(routes, a.operations, a.online, a.batch, a.jobs.collection)
    yield scoring.blueprint(routes, a.scoring, a.cors_origins)
    yield openapi.blueprint(routes)
    yield health.blueprint(routes, a.usage.readiness)
    yield portal.blueprint(routes, a.clients, a.studio, Pages(BUILT))


def _batch_blueprints(routes: Routes, a: Application) -> Iterator[func.Blueprint]:
    yield batch_endpoints.blueprint(routes, a.batch)
    yield batch_jobs.blueprint(routes, a.jobs.invocation, a.jobs.collection)
    yield job_results.blueprint(routes, a.jobs.results)
    yield job_logs.blueprint(routes, a.jobs.worker_logs)
    yield drops.blueprint(routes, a.drops.open)
    yield run_history.blueprint(routes, a.jobs.collection, a.jobs.logs)
    yield job_door.blueprint(routes, a.jobs.invocation, a.jobs.collection, a.batch.keys)


def event_blueprints(application: Application) -> Iterator[func.Blueprint]:
    """What messages, blobs and the clock trigger."""
    a = application
    yield provisioning_messages.blueprint(
        a.online.reconciler,
        a.batch.reconciler,
        a.scaling,
        a.scale_watching,
        a.giving_back,
        scaled_by_clock=a.triggers.by_clock,
    )
    yield batch_messages.blueprint(
        a.jobs.supervision,
        a.jobs.units,
        a.drops.dropping,
        a.schedules.scheduling,
        a.giving_back,
    )
    yield event_messages.blueprint(
        a.events.dispatching,
        a.events.delivering,
        a.events.validating,
        a.inbound.invoking,
        a.giving_back,
    )
    if a.triggers.inbox_by_event_grid:
        yield arrivals.blueprint(a.drops.dropping, a.giving_back)
    else:
        yield input_blobs.blueprint(a.drops.dropping)
    yield timers.blueprint(
        a.sweeping,
        a.online.restorer,
        a.batch.restorer,
        a.jobs.workers,
        a.scaling,
        a.scale_watching,
        a.jobs.retention,
        a.figures.measuring,
        a.usage.renewing,
        a.ledger.stored,
        timers.Schedules(
            sweep=a.triggers.sweep_schedule,
            restore=a.triggers.restore_schedule,
            at_start=a.triggers.by_clock,
            with_scaling=a.triggers.by_clock,
        ),
    )
