"""What the compute runs for an online deployment."""

import json
from typing import Final, final

from domain.assets.asset import ModelVersion
from domain.assets.asset_references import AssetSources, revision_of
from domain.assets.images import curated_environments
from domain.assets.mlflow_models import MlflowModels
from domain.assets.sealing.seals import Seals
from domain.assets.servers import own_servers
from domain.assets.servers.inference_config import TRITON
from domain.computes.attached_cluster import size_on, type_on
from domain.computes.compute_targets import ComputeTargets
from domain.errors import Unsupported
from domain.identities.identity_holding import of_program
from domain.online.deployment_scales import DeploymentScales
from domain.online.online_deployment import (
    OnlineDeployment,
    OnlineDeploymentProperties,
    ProbeSettings,
)
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import (
    EnvironmentSpec,
    InstanceSize,
    OwnServer,
    Probe,
    Program,
    SealedFolder,
    ServingWorkload,
)
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.kind import KindWorkloads
from domain.provisioning.place import Place

_COLLECTOR: Final = "ML_ENDPOINTS_DATA_COLLECTOR"


@final
class OnlineWorkloads(KindWorkloads[OnlineDeployment, ServingWorkload]):
    def __init__(
        self,
        sources: AssetSources,
        scales: DeploymentScales,
        documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment],
        computes: ComputeTargets,
    ) -> None:
        self._sources = sources
        self._scales = scales
        self._documents = documents
        self._computes = computes

    async def revision_and_count(self, deployment: OnlineDeployment) -> tuple[str, int]:
        revision = revision_of(deployment.properties.running)
        return revision, await self._scales.instances(deployment)

    async def of(self, deployment: OnlineDeployment) -> ServingWorkload:
        """With the files of its model and code. Raises Unsupported for a deployment that
        names too little to be run."""
        revision, instance_count = await self.revision_and_count(deployment)
        asked = deployment.properties
        configuration = asked.code_configuration
        assets = self._sources.assets
        version = await assets.model(asked.model) if asked.model else None
        model = await assets.files(version) if version else None
        server = await self._server(asked, version, model)
        code = model if server is None else None
        if configuration is not None and configuration.code_id is not None:
            code = await assets.files(await assets.code(configuration.code_id))
        environment: EnvironmentSpec | None = None
        if asked.environment_id is not None:
            environment, _ = await assets.environment_spec(asked.environment_id)
        elif server is not None:
            environment = self._sources.capabilities.triton()
        elif model is not None:
            environment = await MlflowModels(self._sources.blobs).environment(model)
        if (code is None and server is None) or environment is None:
            raise Unsupported(f"Deployment '{deployment.name}' has no code or environment.")
        limits, endpoint = asked.request_settings, await self._endpoint(deployment)
        program = Program(
            environment=environment,
            model=model,
            code=code,
            scoring_script=configuration.scoring_script if configuration else None,
            environment_variables={**asked.environment_variables, **_collecting(asked)},
            size=await self._size(endpoint, asked),
            server=server,
            identity=of_program(
                self._documents.types.identity_holder(endpoint.name), endpoint.identity
            ),
            closed=asked.is_closed,
        )
        return ServingWorkload(
            key=deployment.workload_key,
            revision=revision,
            program=program,
            instance_count=instance_count,
            max_concurrent_requests=limits.max_concurrent_requests_per_instance,
            workers=deployment.workers,
            max_queue_wait=limits.max_queue_wait,
            request_timeout=limits.request_timeout,
            liveness=_probe(asked.liveness_probe),
            readiness=_probe(asked.readiness_probe),
        )

    async def _server(
        self,
        asked: OnlineDeploymentProperties,
        version: ModelVersion | None,
        model: SealedFolder | None,
    ) -> OwnServer | None:
        assets, named = self._sources.assets, asked.environment_id
        environment = None
        if named is not None and not curated_environments.is_curated(named):
            environment = await assets.environment(named)
        config = own_servers.config_of(environment, version, asked.code_configuration)
        if config is None:
            return None
        repository = None
        if config is TRITON and model is not None:
            names = [file.name for file in await Seals(self._sources.blobs).files(model)]
            repository = own_servers.repository_of(model.path, names)
        return own_servers.server_of(config, version, asked.model_mount_path, repository)

    async def _endpoint(self, deployment: OnlineDeployment) -> OnlineEndpoint:
        document = await self._documents.get(Place.of(deployment).owner)
        return self._documents.types.endpoint(document)

    async def _size(
        self, endpoint: OnlineEndpoint, asked: OnlineDeploymentProperties
    ) -> InstanceSize:
        cluster = await self._computes.attached(endpoint.properties.compute)
        if cluster is None:
            return self._sources.capabilities.size(asked.instance_type)
        name = type_on(cluster, asked.instance_type, "properties.instanceType")
        return size_on(cluster, name, asked.container_resource_requirements)


def _collecting(asked: OnlineDeploymentProperties) -> dict[str, str]:
    """What tells the inference server which collections the script may fill."""
    collector = asked.data_collector
    rates = (
        {name: each.sampling_rate for name, each in collector.of_script.items()}
        if collector
        else {}
    )
    return {_COLLECTOR: json.dumps(rates)} if rates else {}


def _probe(settings: ProbeSettings) -> Probe:
    return Probe(
        initial_delay=settings.initial_delay.total_seconds(),
        period=settings.period.total_seconds(),
        timeout=settings.timeout.total_seconds(),
        success_threshold=settings.success_threshold,
        failure_threshold=settings.failure_threshold,
    )
