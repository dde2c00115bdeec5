"""What a batch endpoint and its deployments may be, and how they become ready for jobs."""

from collections.abc import Sequence
from datetime import datetime

from domain.assets.asset_references import AssetReferences, revision_of
from domain.assets.asset_registration import AssetRegistration
from domain.batch.batch_deployment import KIND as DEPLOYMENT_KIND
from domain.batch.batch_deployment import (
    BatchDeployment,
    BatchDeploymentProperties,
    ModelReference,
    ReferenceType,
)
from domain.batch.batch_endpoint import KIND as ENDPOINT_KIND
from domain.batch.batch_endpoint import BatchEndpoint, BatchEndpointProperties
from domain.batch.compute_target import ComputeTargets
from domain.errors import Conflict, Detail, DomainError, Unsupported, refuse
from domain.ground.access import AuthMode
from domain.ground.outbox import Outbox
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Wanted
from domain.names import WorkspaceScope, file_name_fault
from domain.ports import BlobStore, Clock, Compute, ResourceStore, Workload, WorkloadKind, WorkQueue
from domain.provisioning.provisioning import Provisioning

_RUNS = (
    "model",
    "code_configuration",
    "environment_id",
    "environment_variables",
    "resources",
)
"""The properties that change what a deployment's processes would see."""


class BatchProvisioning(
    Provisioning[BatchEndpoint, BatchEndpointProperties, BatchDeployment, BatchDeploymentProperties]
):
    """Batch endpoints and deployments. A deployment is ready when its environment is built
    and its files are at hand; processes come with each job."""

    kind = "batchEndpoints"
    endpoint_kind = ENDPOINT_KIND
    deployment_kind = DEPLOYMENT_KIND
    endpoint_type = BatchEndpoint
    deployment_type = BatchDeployment
    workload_kind = WorkloadKind.BATCH
    key_prefix = "batch-deployment/"

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        compute: Compute,
        clock: Clock,
        scope: WorkspaceScope,
        location: str,
        *,
        assets: AssetRegistration,
        blobs: BlobStore,
        computes: ComputeTargets,
        outbox: Outbox,
    ) -> None:
        super().__init__(store, queue, compute, clock, scope, location, outbox)
        self._assets = assets
        self._blobs = blobs
        self._computes = computes

    def _new_endpoint(
        self,
        name: str,
        wanted: Wanted[BatchEndpointProperties],
        old: BatchEndpoint | None,
        caller: str,
        now: datetime,
    ) -> BatchEndpoint:
        shared = wanted.taken(wanted.properties, caller, now)
        if old:
            return old.but(**shared, generation=old.generation + 1)
        return BatchEndpoint(
            name=name,
            location=wanted.location or self._location,
            created_at=now,
            created_by=caller,
            **shared,
        )

    def _endpoint_faults(
        self,
        wanted: Wanted[BatchEndpointProperties],
        old: BatchEndpoint | None,
        deployments: Sequence[BatchDeployment],
    ) -> list[Detail]:
        asked = wanted.properties
        faults: list[Detail] = []
        if asked.auth_mode is not AuthMode.AAD_TOKEN:
            faults.append(
                Detail(
                    "BadArgument",
                    "Batch endpoints take tokens only: authMode is AADToken.",
                    "properties.authMode",
                )
            )
        default = asked.defaults.deployment_name
        there = [
            d.name for d in deployments if d.provisioning_state is not ProvisioningState.DELETING
        ]
        if default and default.casefold() not in {name.casefold() for name in there}:
            faults.append(
                Detail(
                    "BadArgument",
                    f"Deployment '{default}' does not exist on this endpoint "
                    f"(there: {', '.join(sorted(there)) or 'none'}). Create it first.",
                    "properties.defaults.deploymentName",
                )
            )
        return faults

    def _touched(self, endpoint: BatchEndpoint) -> BatchEndpoint:
        return endpoint

    async def _new_deployment(
        self,
        endpoint: BatchEndpoint,
        name: str,
        wanted: Wanted[BatchDeploymentProperties],
        old: BatchDeployment | None,
        caller: str,
        now: datetime,
    ) -> BatchDeployment:
        properties = await self._checked(wanted.properties)
        shared = wanted.taken(properties, caller, now)
        if old:
            return old.but(**shared, generation=old.generation + 1)
        return BatchDeployment(
            name=name,
            endpoint=endpoint.name,
            location=wanted.location or self._location,
            created_at=now,
            created_by=caller,
            **shared,
        )

    async def _checked(self, asked: BatchDeploymentProperties) -> BatchDeploymentProperties:
        references = AssetReferences(self._assets, self._blobs, self._compute, self._scope)
        faults = references.faults
        model = asked.model
        if model is not None and model.reference_type is not ReferenceType.ID:
            faults.append(
                Detail(
                    "NotSupported",
                    f"A model is referred to by its id here, not by '{model.reference_type}'.",
                    "properties.model.referenceType",
                )
            )
        elif model is not None:
            resolved = await references.model(model.asset_id, "properties.model.assetId")
            model = ModelReference(asset_id=resolved)
        code = await references.code(asked.code_configuration)
        environment = await references.environment(
            asked.environment_id,
            asked.resources.instance_type,
            "properties.resources.instanceType",
        )
        if fault := file_name_fault(asked.output_file_name):
            told = f"{fault} A job's output location is given at invoke."
            faults.append(Detail("BadArgument", told, "properties.outputFileName"))
        try:
            await self._computes.check_instance_count(
                asked.compute, asked.resources.instance_count, "properties.resources.instanceCount"
            )
        except DomainError as error:
            faults.append(Detail(error.code, error.message, error.target or "properties.compute"))
        refuse(faults)
        return asked.but(model=model, code_configuration=code, environment_id=environment)

    def _is_only_scaled(self, old: BatchDeployment, new: BatchDeployment) -> bool:
        return False

    def _check_removable(self, endpoint: BatchEndpoint, deployment: BatchDeployment) -> None:
        default = endpoint.properties.defaults.deployment_name
        if default and default.casefold() == deployment.name.casefold():
            raise Conflict(
                f"Deployment '{deployment.name}' is the default of endpoint '{endpoint.name}'. "
                "Name another default (or none) first, then delete.",
                code="DeploymentIsDefault",
                target="properties.defaults.deploymentName",
            )

    def _proven(self, deployment: BatchDeployment) -> BatchDeployment:
        return deployment.but(proven=deployment.properties)

    def _before_failure(self, deployment: BatchDeployment) -> BatchDeployment | None:
        proven = deployment.proven
        return deployment.but(properties=proven) if proven is not None else None

    def _workload_key(self, endpoint: str, deployment: str) -> str:
        return f"batch-deployment/{endpoint.casefold()}/{deployment.casefold()}"

    async def _runs(self, deployment: BatchDeployment) -> tuple[str, int]:
        return _revision(deployment.properties), 0

    async def _workload(self, deployment: BatchDeployment) -> Workload:
        return await self.workload(
            deployment.properties, key=deployment.workload_key, worker_processes=0
        )

    async def workload(
        self, asked: BatchDeploymentProperties, *, key: str, worker_processes: int
    ) -> Workload:
        """What a job (or the deployment itself, with no processes) wants running."""
        configuration = asked.code_configuration
        if configuration is None or configuration.code_id is None or asked.environment_id is None:
            raise Unsupported("The deployment has no code or environment.")
        code = await self._assets.code(configuration.code_id)
        environment = await self._assets.environment(asked.environment_id)
        reference = asked.model.asset_id if asked.model else None
        model = await self._assets.model(reference) if reference else None
        cpu, memory = self._compute.size(asked.resources.instance_type)
        compute = await self._computes.named(asked.compute)
        return Workload(
            key=key,
            kind=WorkloadKind.BATCH,
            revision=_revision(asked),
            environment=environment.spec,
            model=model.folder if model else None,
            code=code.folder,
            scoring_script=configuration.scoring_script,
            environment_variables=asked.environment_variables,
            instance_count=worker_processes,
            cpu=cpu,
            memory=memory,
            cluster=compute.cluster(asked.max_concurrency_per_instance),
        )


def _revision(asked: BatchDeploymentProperties) -> str:
    document = asked.to_document()
    return revision_of({name: document[name] for name in _RUNS})
