"""What the compute runs for an online deployment."""

from domain.assets.asset_registration import AssetRegistration
from domain.assets.mlflow_models import MlflowModels
from domain.errors import Unsupported
from domain.online.online_deployment import OnlineDeployment, ProbeSettings
from domain.ports import BlobStore, Compute, EnvironmentSpec, Probe, Workload, WorkloadKind


class OnlineWorkloads:
    def __init__(self, assets: AssetRegistration, blobs: BlobStore, compute: Compute) -> None:
        self._assets = assets
        self._blobs = blobs
        self._compute = compute

    async def of(
        self, deployment: OnlineDeployment, revision: str, instance_count: int
    ) -> Workload:
        """With the folders of its model and code. Raises Unsupported for a deployment that
        names too little to be run."""
        asked = deployment.properties
        configuration = asked.code_configuration
        model = await self._assets.model(asked.model) if asked.model else None
        code = model.folder if model else None
        if configuration is not None and configuration.code_id is not None:
            code = (await self._assets.code(configuration.code_id)).folder
        environment: EnvironmentSpec | None = None
        if asked.environment_id is not None:
            environment = (await self._assets.environment(asked.environment_id)).spec
        elif model is not None:
            environment = await MlflowModels(self._blobs).environment(model.folder)
        if code is None or environment is None:
            raise Unsupported(f"Deployment '{deployment.name}' has no code or environment.")
        cpu, memory = self._compute.size(asked.instance_type)
        limits = asked.request_settings
        return Workload(
            key=deployment.workload_key,
            kind=WorkloadKind.ONLINE,
            revision=revision,
            environment=environment,
            model=model.folder if model else None,
            code=code,
            scoring_script=configuration.scoring_script if configuration else None,
            environment_variables=asked.environment_variables,
            instance_count=instance_count,
            cpu=cpu,
            memory=memory,
            max_concurrent_requests=limits.max_concurrent_requests_per_instance,
            workers=deployment.workers,
            max_queue_wait=limits.max_queue_wait,
            request_timeout=limits.request_timeout,
            liveness=_probe(asked.liveness_probe),
            readiness=_probe(asked.readiness_probe),
        )


def _probe(settings: ProbeSettings) -> Probe:
    return Probe(
        initial_delay=settings.initial_delay.total_seconds(),
        period=settings.period.total_seconds(),
        timeout=settings.timeout.total_seconds(),
        success_threshold=settings.success_threshold,
        failure_threshold=settings.failure_threshold,
    )
