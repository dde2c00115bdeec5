"""Invoking a batch endpoint: from a request to a job that is saved and under way."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from domain.assets.asset_registration import AssetRegistration
from domain.assets.naming_rights import NamingRights
from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.errors import (
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    Invalid,
    NotFound,
    StorageFull,
    refuse,
)
from domain.ground.access import trusted
from domain.ground.messages import BATCH_JOBS_QUEUE
from domain.ground.provisioning_state import ProvisioningState
from domain.jobs.invoking.job_inputs import JobInputs
from domain.jobs.invoking.job_outputs import OutputReservations, output_of
from domain.jobs.invoking.job_overrides import mini_batch_size_fault, over, overridden, said
from domain.jobs.invoking.retry_request import own_output, retried_job, retry_faults, written_as
from domain.jobs.records import batch_job
from domain.jobs.records.batch_job import BatchJob, JobInput, Retry, message_for
from domain.jobs.records.job_facts import job_moved
from domain.jobs.records.job_ground import JobGround
from domain.jobs.records.job_request import JobProperties
from domain.names import WorkspaceScope, asset_name_fault
from domain.ports import Create, Message, Principal, StorageRoom, WebFiles
from domain.provisioning.endpoint_documents import EndpointDocuments

_KEY_KIND = "invocationKey"
_KEY_ID = "key"
_KEY_TTL = 30 * 24 * 3600
_MOST_KEY = 256
_MOST_NAME = 100


@dataclass(frozen=True)
class Invoked:
    """`new` is False when the same request had made the job before."""

    job: BatchJob
    new: bool


class JobInvocation:
    """The same idempotency key and request give the same job, however often they come and
    wherever a crash cut in; the same key with another request is a Conflict."""

    def __init__(
        self,
        ground: JobGround,
        scope: WorkspaceScope,
        *,
        assets: AssetRegistration,
        batch: EndpointDocuments[BatchEndpoint, BatchDeployment],
        web: WebFiles,
        reservations: OutputReservations,
        room: StorageRoom,
    ) -> None:
        self._jobs = ground.jobs
        self._store = ground.store
        self._outbox = ground.outbox
        self._queue = ground.queue
        self._blobs = ground.blobs
        self._clock = ground.clock
        self._times = ground.times
        self._scope = scope
        self._assets = assets
        self._batch = batch
        self._web = web
        self._reservations = reservations
        self._room = room

    async def invoke(
        self,
        endpoint: str,
        asked: JobProperties,
        *,
        caller: Principal,
        deployment: str | None = None,
        key: str | None = None,
        drop: JobInput | None = None,
    ) -> Invoked:
        """Save a job and set it going. `drop` is the input of a job that a drop starts.
        Raises Forbidden for what the caller may not name, NotFound, Conflict, Invalid with every
        fault, or StorageFull while no new work is begun."""
        digest = _digest(endpoint, deployment, asked, drop)
        known = await self._known(endpoint, key, digest)
        found = await self._made(known, digest)
        if found is not None:
            return found
        try:
            await self._room.check()
            name = known or asked.name or str(uuid4())
            job = await self._checked(name, endpoint, deployment, asked, caller, drop)
            begun = await self._begun(job.but(request=digest), key, known)
        except (Conflict, Invalid, NotFound, StorageFull):
            # What is in the way may be what this very request has led to meanwhile: it may have
            # come twice at a time, and the other been faster.
            found = await self._made(await self._known(endpoint, key, digest), digest)
            if found is None:
                raise
            return found
        return begun or await self.invoke(
            endpoint, asked, caller=caller, deployment=deployment, key=key, drop=drop
        )

    async def _made(self, name: str | None, digest: str) -> Invoked | None:
        """What the same request has led to before."""
        found = None if name is None else await self._job(name)
        same = found is not None and found.request == digest
        return Invoked(found, new=False) if found is not None and same else None

    async def _begun(self, job: BatchJob, key: str | None, known: str | None) -> Invoked | None:
        """None when the key has led to another name meanwhile, whose job may have to be made."""
        if await self._job(job.name) is not None:
            raise JobExists(job.name)
        if known is None and key is not None:
            settled = await self._remember(job.endpoint, key, job.request, job.name)
            if settled != job.name:
                return None
        return await self._save(job)

    async def faults(
        self, endpoint: str, deployment: str | None, asked: JobProperties, *, drop: JobInput
    ) -> Sequence[Detail]:
        """What `invoke` would refuse, of a drop that has not come yet. Raises Unavailable,
        Throttled."""
        try:
            await self._checked(str(uuid4()), endpoint, deployment, asked, trusted("a drop"), drop)
        except (Invalid, NotFound, Conflict) as error:
            return error.details or [Detail(error.code, error.message, error.target)]
        return ()

    async def _save(self, job: BatchJob) -> Invoked:
        await self._reservations.reserve(job)
        due_at = self._clock.now().timestamp() + self._times.grace
        try:
            await self._outbox.transact(
                batch_job.partition(job.name),
                [Create(batch_job.DOCUMENT_ID, job.to_body(), due_at=due_at)],
                job_moved(None, job),
            )
        except DocumentExists:
            found = await self._job(job.name)
            if found is not None and found.request == job.request:
                return Invoked(found, new=False)
            raise JobExists(job.name) from None
        await self._queue.send(BATCH_JOBS_QUEUE, Message(message_for(job).to_document()))
        return Invoked(job, new=True)

    async def _checked(
        self,
        name: str,
        endpoint: str,
        deployment: str | None,
        asked: JobProperties,
        caller: Principal,
        drop: JobInput | None,
    ) -> BatchJob:
        """The job that the request makes. Raises Forbidden with all that may not be named, and
        Invalid with every fault of the request."""
        faults, rights = list[Detail](), NamingRights(caller)
        overrides, first = asked.overrides, None
        if asked.retry_of is not None:
            first = await retried_job(self._jobs, endpoint, asked.retry_of)
            overrides = over(first.overrides, overrides)
            deployment = deployment or first.deployment
        chosen = await self.deployment(endpoint, deployment)
        fault = asset_name_fault(name) or _length_fault(name)
        if fault:
            faults.append(Detail("BadArgument", fault, "properties.name"))
        fault = mini_batch_size_fault(chosen.properties, overrides)
        if fault:
            faults.append(Detail("BadArgument", fault, "properties.miniBatchSize"))
            overrides = overrides.but(mini_batch_size=None)
        settings = overridden(chosen.properties, overrides)
        if first is not None:
            faults += retry_faults(asked, first)
            found, settings = first.inputs, written_as(first, settings)
        else:
            inputs = JobInputs(self._assets, self._blobs, self._web, self._scope, rights)
            found = (drop,) if drop else await inputs.resolve(asked, settings.mini_batch_by)
            faults += inputs.faults
        results = output_of(name, asked, settings, self._scope, self._blobs, rights, faults)
        rights.refuse()
        refuse(faults)
        experiment = asked.experiment_name or asked.properties.get("experimentName")
        return BatchJob(
            name=name,
            endpoint=chosen.endpoint,
            deployment=chosen.name,
            settings=settings,
            inputs=found,
            output=results if first is None else own_output(name, first, results),
            overrides=said(overrides),
            retry=Retry(job=first.name, results=results) if first is not None else None,
            display_name=asked.display_name or name,
            experiment_name=experiment or chosen.endpoint,
            description=asked.description,
            tags=asked.tags,
            properties=asked.properties,
            created_at=self._clock.now(),
            created_by=caller.id,
        )

    async def deployment(self, endpoint: str, named: str | None) -> BatchDeployment:
        """The deployment a job runs on: the named one, else the endpoint's default."""
        found = (await self._batch.endpoint(endpoint)).resource
        if found.provisioning_state is ProvisioningState.DELETING:
            raise NotFound(f"Batch endpoint '{endpoint}' is being deleted.")
        name = named or found.properties.defaults.deployment_name
        if not name:
            raise Invalid(
                f"No valid deployments to route to: endpoint '{endpoint}' has no default "
                "deployment. Set defaults.deploymentName, or name a deployment with the "
                "header azureml-model-deployment.",
                code="NoDefaultDeployment",
            )
        deployment = (await self._batch.deployment(endpoint, name)).resource
        if deployment.provisioning_state is not ProvisioningState.SUCCEEDED:
            raise Conflict(
                f"Deployment '{name}' is {deployment.provisioning_state.value}; jobs run on one "
                "that has Succeeded.",
                code="DeploymentNotReady",
            )
        return deployment

    async def _job(self, name: str) -> BatchJob | None:
        try:
            document = await self._store.get(batch_job.partition(name), batch_job.DOCUMENT_ID)
        except DocumentNotFound:
            return None
        return batch_job.from_document(document)

    async def _known(self, endpoint: str, key: str | None, digest: str) -> str | None:
        """The name of the job that `key` has led to, or was about to."""
        if key is None:
            return None
        if not 1 <= len(key) <= _MOST_KEY:
            raise Invalid(
                f"An idempotency key has 1 to {_MOST_KEY} characters.", target="Idempotency-Key"
            )
        try:
            document = await self._store.get(_key_partition(endpoint, key), _KEY_ID)
        except DocumentNotFound:
            return None
        if document.body["digest"] != digest:
            raise Conflict(
                "This idempotency key has come with another request before. Use a new key for a "
                "new request.",
                code="IdempotencyKeyReused",
                target="Idempotency-Key",
            )
        name: str = document.body["job"]
        return name

    async def _remember(self, endpoint: str, key: str, digest: str, name: str) -> str | None:
        """The job's name for `key` from now on: `name`, unless another request was faster."""
        body = {"kind": _KEY_KIND, "job": name, "digest": digest}
        where = _key_partition(endpoint, key)
        try:
            await self._store.transact(where, [Create(_KEY_ID, body, ttl=_KEY_TTL)])
        except DocumentExists:
            return await self._known(endpoint, key, digest)
        return name


class JobExists(Conflict):
    code = "JobExists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a job '{name}' already. Choose another name, or leave it out.",
            target="properties.name",
        )


def _length_fault(name: str) -> str | None:
    return None if len(name) <= _MOST_NAME else f"A job's name has at most {_MOST_NAME} characters."


def _digest(
    endpoint: str, deployment: str | None, asked: JobProperties, drop: JobInput | None
) -> str:
    request = {
        "endpoint": endpoint.casefold(),
        "deployment": (deployment or "").casefold(),
        "properties": asked.to_document(),
        "drop": drop.to_document() if drop else None,
    }
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _key_partition(endpoint: str, key: str) -> str:
    name = f"{endpoint.casefold()}\n{key}".encode()
    return f"invocations/{hashlib.sha256(name).hexdigest()[:32]}"
