"""What the compute runs for batch deployments and their jobs."""

from typing import final

from domain.assets.asset_references import AssetSources, revision_of
from domain.assets.mlflow_models import MlflowModels
from domain.batch.batch_deployment import BatchDeployment, BatchDeploymentProperties
from domain.computes.attached_cluster import size_on, type_on
from domain.computes.compute_target import ComputeTarget
from domain.computes.compute_targets import ComputeTargets
from domain.errors import Unsupported
from domain.identities.identity_holding import of_program
from domain.ports import InstanceSize, Program, WorkersWorkload
from domain.provisioning.kind import KindWorkloads

_RUNS = (
    "model",
    "code_configuration",
    "environment_id",
    "environment_variables",
    "resources",
)
"""The properties that change what a deployment's processes would see."""


@final
class BatchWorkloads(KindWorkloads[BatchDeployment, WorkersWorkload]):
    """A deployment is ready when its environment is built and its files are at hand; processes
    come with each job."""

    def __init__(self, sources: AssetSources, computes: ComputeTargets) -> None:
        self._sources = sources
        self._computes = computes

    async def revision_and_count(self, deployment: BatchDeployment) -> tuple[str, int]:
        return _revision(deployment.properties), 0

    async def of(self, deployment: BatchDeployment) -> WorkersWorkload:
        return await self.of_job(
            deployment.properties, key=deployment.workload_key, worker_processes=0
        )

    async def of_job(
        self, asked: BatchDeploymentProperties, *, key: str, worker_processes: int
    ) -> WorkersWorkload:
        """With the files of its model and code. Raises Unsupported for settings that name
        too little to be run."""
        configuration = asked.code_configuration
        assets = self._sources.assets
        reference = asked.model.asset_id if asked.model else None
        model = await assets.files(await assets.model(reference)) if reference else None
        # An MLflow model brings what is not named along.
        code = model
        if configuration is not None and configuration.code_id is not None:
            code = await assets.files(await assets.code(configuration.code_id))
        if asked.environment_id is not None:
            environment, _ = await assets.environment_spec(asked.environment_id)
        elif model is not None:
            environment = await MlflowModels(self._sources.blobs).environment(model)
        else:
            raise Unsupported("The deployment has no environment.")
        if code is None:
            raise Unsupported("The deployment has no code.")
        compute = await self._computes.named(asked.compute)
        size, node_size = self._sizes(compute, asked.resources.instance_type)
        program = Program(
            environment=environment,
            model=model,
            code=code,
            scoring_script=configuration.scoring_script if configuration else None,
            environment_variables=asked.environment_variables,
            identity=of_program(compute.identity_holder, compute.identity),
            size=size,
        )
        return WorkersWorkload(
            key=key,
            revision=_revision(asked),
            program=program,
            worker_count=worker_processes,
            cluster=compute.cluster(
                asked.max_concurrency_per_instance, node_size, self._computes.idle_time
            ),
        )

    def _sizes(
        self, compute: ComputeTarget, instance_type: str | None
    ) -> tuple[InstanceSize, InstanceSize | None]:
        """Of the program, and of the nodes where the compute has its own."""
        if compute.is_attached:
            name = type_on(compute, instance_type, "properties.resources.instanceType")
            size = size_on(compute, name, None)
            return size, size
        sizes = self._sources.capabilities
        size = sizes.size(instance_type)
        return size, None if compute.is_local else sizes.size(compute.vm_size)


def _revision(asked: BatchDeploymentProperties) -> str:
    document = asked.to_document()
    return revision_of({name: document[name] for name in _RUNS})
