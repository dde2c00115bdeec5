"""Models, code, environments and data, and who uses them."""

from domain.assets.activities import AssetActivities
from domain.assets.asset_admission import AssetAdmission
from domain.assets.asset_references import AssetSources
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import Datastores
from domain.assets.packages.connections import Connections
from domain.assets.releasing.asset_releasing import AssetReleasing
from domain.assets.using.asset_use import AssetUse, UserKind
from domain.batch.batch_deployment import KIND as BATCH_DEPLOYMENT
from domain.inbound.event_mapping import KIND as EVENT_MAPPING
from domain.jobs.job_output_places import JobOutputPlaces
from domain.jobs.records.batch_job import KIND as BATCH_JOB
from domain.jobs.records.job_status import JobStatus
from domain.jobs.records.job_store import JobStore
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from domain.online.online_endpoint import KIND as ONLINE_ENDPOINT
from domain.overview.asset_lineage import AssetLineage
from domain.ports import Json
from domain.schedules.schedule import KIND as SCHEDULE
from infra.composition.ground import Ground

_UNENDED = tuple({"status": each.value} for each in JobStatus if not each.is_terminal)


def _properties(body: Json) -> Json:
    found: Json = body["resource"]["properties"]
    return found


def _deployment(body: Json) -> str:
    return f"{body['resource']['endpoint']}/{body['resource']['name']}"


USERS = (
    UserKind(
        ONLINE_ENDPOINT,
        _properties,
        lambda body: f"endpoint {body['resource']['name']}",
        reads_files=False,
    ),
    UserKind(ONLINE_DEPLOYMENT, _properties, _deployment, reads_files=False),
    UserKind(BATCH_DEPLOYMENT, _properties, _deployment, reads_files=False),
    UserKind(
        BATCH_JOB, lambda body: body["job"], lambda body: f"job {body['job']['name']}", _UNENDED
    ),
    UserKind(SCHEDULE, _properties, lambda body: f"schedule {body['resource']['name']}"),
    UserKind(EVENT_MAPPING, _properties, lambda body: f"event mapping {body['resource']['name']}"),
)
"""A deployment runs what its versions are of, and reads no files by itself."""


def asset_use(ground: Ground) -> AssetUse:
    """Who uses an asset, or a compute."""
    a = ground.adapters
    return AssetUse(a.store, a.blobs, ground.scope, USERS)


def compose_assets(ground: Ground, *, use: AssetUse) -> AssetActivities:
    a = ground.adapters
    releasing = AssetReleasing(a.store, a.blobs, a.clock, use)
    registration = AssetRegistration(
        a.store,
        a.blobs,
        a.clock,
        ground.scope,
        admission=AssetAdmission(
            a.blobs, a.capabilities, ground.scope, JobOutputPlaces(JobStore(a.store))
        ),
        in_use=use.of,
        releasing=releasing,
        room=a.room,
    )
    return AssetActivities(
        registration=registration,
        releasing=releasing,
        sources=AssetSources(registration, a.blobs, a.capabilities, ground.scope),
        datastores=Datastores(a.blobs),
        connections=Connections(a.store, a.cipher, a.clock, ground.location),
    )


def compose_lineage(ground: Ground, assets: AssetActivities) -> AssetLineage:
    store = ground.adapters.store
    return AssetLineage(store, JobStore(store), assets.registration, ground.scope)
