"""Where each kind of resource keeps things: read from its document alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.assets.asset import CODES, DATA, ENVIRONMENTS, MODELS, AssetKind
from domain.assets.asset_documents import entity
from domain.assets.datastore import INBOX, SYSTEM_CONTAINER
from domain.assets.sealing.seals import Seal
from domain.batch import batch_deployment, batch_endpoint
from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.ground.resource import from_document
from domain.jobs.planning.web_copies import copies_folder
from domain.jobs.records import batch_job
from domain.jobs.records.job_plan import plan_folder
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import BlobFolder, Document, EnvironmentSpec


@dataclass(frozen=True)
class Used:
    """What `names` in the path of its collection keeps: blobs in `places`, or as many as `seal`
    says; logs of what runs under `workload`; a built `environment`, which those of one spec
    share."""

    names: tuple[str, ...]
    places: tuple[BlobFolder, ...] = ()
    seal: Seal | None = None
    workload: str | None = None
    environment: EnvironmentSpec | None = None


@dataclass(frozen=True)
class Collection:
    """Documents of the store's `kind`; `parts` is the kind of those beside each that belong to
    it, whose logs are its own."""

    kind: str
    used: Callable[[Document], Used]
    parts: str | None = None


def _online_deployment(document: Document) -> Used:
    found = from_document(OnlineDeployment, document)
    return Used((found.endpoint, found.name), workload=found.workload_key)


def _batch_endpoint(document: Document) -> Used:
    found = from_document(BatchEndpoint, document)
    return Used((found.name,), (BlobFolder(INBOX, found.name),))


def _batch_deployment(document: Document) -> Used:
    found = from_document(BatchDeployment, document)
    return Used((found.endpoint, found.name), workload=found.workload_key)


def _job(document: Document) -> Used:
    job = batch_job.from_document(document)
    output = job.output
    # A file beside others is one of its own; what lies in a folder of its own is all the job's.
    result = BlobFolder(output.container, output.folder if output.is_own_folder else output.path)
    logs = BlobFolder(output.container, job.logs_folder)
    within = output.is_own_folder and f"{job.logs_folder}/".startswith(f"{output.folder}/")
    own = [BlobFolder(SYSTEM_CONTAINER, of(job.name)) for of in (plan_folder, copies_folder)]
    return Used((job.name,), (result, *([] if within else [logs]), *own))


def _version(kind: AssetKind) -> Callable[[Document], Used]:
    def used(document: Document) -> Used:
        version = entity(kind.version, document)
        folder, seal = getattr(version, "folder", None), getattr(version, "seal", None)
        places = (folder,) if folder is not None and seal is None else ()
        environment = getattr(version, "resolved", None)
        names = (version.name, version.version)
        return Used(names, places, seal, environment=environment)

    return used


COLLECTIONS: Mapping[str, Collection] = {
    "onlineEndpoints": Collection(
        online_endpoint.KIND,
        lambda document: Used((from_document(OnlineEndpoint, document).name,)),
        parts="onlineEndpoints/deployments",
    ),
    "onlineEndpoints/deployments": Collection(online_deployment.KIND, _online_deployment),
    "batchEndpoints": Collection(
        batch_endpoint.KIND, _batch_endpoint, parts="batchEndpoints/deployments"
    ),
    "batchEndpoints/deployments": Collection(batch_deployment.KIND, _batch_deployment),
    "jobs": Collection(batch_job.KIND, _job),
    **{
        f"{kind.plural}/versions": Collection(kind.version_kind, _version(kind))
        for kind in (MODELS, CODES, DATA, ENVIRONMENTS)
    },
}
"""By what ARM calls it, in the order in which they are listed."""
