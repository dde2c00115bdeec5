"""What an online deployment may ask for."""

from domain.assets.asset_references import AssetReferences
from domain.errors import Detail, refuse
from domain.online.online_deployment import (
    DEFAULT_INSTANCE_TYPE,
    WORKER_COUNT,
    EndpointComputeType,
    OnlineDeploymentProperties,
    workers_fault,
)


async def checked(
    asked: OnlineDeploymentProperties, references: AssetReferences
) -> OnlineDeploymentProperties:
    """`asked` with every reference resolved to the version it means now, so that a restart
    runs what was asked for. Raises Invalid with every fault."""
    model = await references.model(asked.model, "properties.model", may_serve_itself=True)
    code = await references.code(asked.code_configuration)
    instance_type = asked.instance_type or DEFAULT_INSTANCE_TYPE
    environment = await references.environment(
        asked.environment_id, instance_type, "properties.instanceType"
    )
    faults = references.faults
    if asked.endpoint_compute_type is not EndpointComputeType.MANAGED:
        faults.append(
            Detail(
                "NotSupported",
                f"endpointComputeType '{asked.endpoint_compute_type}' is not there yet; "
                "use Managed.",
                "properties.endpointComputeType",
            )
        )
    if fault := workers_fault(asked.environment_variables.get(WORKER_COUNT)):
        at = f"properties.environmentVariables.{WORKER_COUNT}"
        faults.append(Detail("BadArgument", fault, at))
    if asked.model_mount_path is not None:
        faults.append(
            Detail(
                "NotSupported",
                "modelMountPath is for containers; models are found under AZUREML_MODEL_DIR.",
                "properties.modelMountPath",
            )
        )
    refuse(faults)
    return asked.but(
        model=model,
        code_configuration=code,
        environment_id=environment,
        instance_type=instance_type,
    )
