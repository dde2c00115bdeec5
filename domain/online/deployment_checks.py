"""What an online deployment may ask for, and whether the compute has room for it."""

from collections.abc import Sequence

from domain.assets.asset_references import AssetReferences
from domain.computes.attached_cluster import resource_faults, type_on
from domain.computes.compute_target import ComputeTarget
from domain.computes.container_resources import (
    DEFAULT_RESOURCES,
    KUBERNETES_DEFAULT,
    type_for,
)
from domain.errors import Detail, Invalid
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Wanted
from domain.online.monitoring import data_collector
from domain.online.monitoring.data_collector import DataCollector
from domain.online.online_deployment import (
    CLOSED,
    DEFAULT_INSTANCE_TYPE,
    OPEN,
    WORKER_COUNT,
    EndpointComputeType,
    OnlineDeployment,
    OnlineDeploymentProperties,
    instances_at_first,
    workers_fault,
    workers_of,
    workload_key,
)
from domain.ports import Capabilities, InstanceSize

OUT_OF_QUOTA = "OutOfQuota"


async def checked(
    asked: OnlineDeploymentProperties,
    references: AssetReferences,
    also: Sequence[Detail],
    cluster: ComputeTarget | None,
) -> OnlineDeploymentProperties:
    """`asked` with every reference resolved to the version it means now, so that a restart
    runs what was asked for. `cluster` is what is attached and its endpoint names. Raises Forbidden
    for what may not be named, and Invalid with every fault, those of `also` among them."""
    model = await references.model(asked.model, "properties.model", is_served=True)
    await references.own_server(asked.environment_id, asked.code_configuration)
    code = await references.code(asked.code_configuration, needs_signature=True)
    if cluster is None:
        instance_type, lacking = _type_of(asked, references.capabilities)
    else:
        instance_type, lacking = _type_on(cluster, asked)
    environment = await references.environment(
        asked.environment_id,
        instance_type if cluster is None else None,
        "properties.instanceType",
    )
    faults = references.faults
    faults += also
    faults += lacking
    if asked.endpoint_compute_type is EndpointComputeType.AZUREML_COMPUTE:
        faults.append(
            Detail(
                "NotSupported",
                f"endpointComputeType '{asked.endpoint_compute_type}' is not there; use Managed.",
                "properties.endpointComputeType",
            )
        )
    if fault := workers_fault(asked.environment_variables.get(WORKER_COUNT)):
        at = f"properties.environmentVariables.{WORKER_COUNT}"
        faults.append(Detail("BadArgument", fault, at))
    egress, open_only = await _egress_of(asked, references.capabilities)
    faults += [] if open_only is None else [open_only]
    references.mount_path(asked.model_mount_path)
    faults += data_collector.faults(asked.data_collector)
    collector = await _collector(asked.data_collector, references)
    references.refuse()
    return asked.but(
        model=model,
        code_configuration=code,
        environment_id=environment,
        instance_type=instance_type,
        warnings=tuple(references.warnings),
        data_collector=collector,
        egress_public_network_access=egress,
    )


async def _egress_of(
    asked: OnlineDeploymentProperties, capabilities: Capabilities
) -> tuple[str, Detail | None]:
    """Whether its scripts go out, as Azure spells it, and why it cannot be so."""
    at, value = "properties.egressPublicNetworkAccess", asked.egress_public_network_access
    if asked.is_closed:
        fault = await capabilities.closing_fault()
        return CLOSED, None if fault is None else Detail("NotSupported", fault, at)
    if value.casefold() == OPEN.casefold():
        return OPEN, None
    told = f"egressPublicNetworkAccess is {OPEN} or {CLOSED}, and not {value[:40]!r}."
    return value, Detail("BadArgument", told, at)


async def _collector(
    asked: DataCollector | None, references: AssetReferences
) -> DataCollector | None:
    """With the versions of its data assets."""
    if asked is None:
        return None
    found = {}
    for name, each in asked.collections.items():
        at = f"properties.dataCollector.collections.{name[:80]}.dataId"
        data = await references.folder(each.data_id, at) if each.data_id else None
        found[name] = each.but(data_id=data)
    return asked.but(collections=found)


def _type_of(
    asked: OnlineDeploymentProperties, capabilities: Capabilities
) -> tuple[str, list[Detail]]:
    """The instance type that is meant, and why none can be."""
    default = asked.instance_type or DEFAULT_INSTANCE_TYPE
    resources = asked.container_resource_requirements
    if default.casefold() == KUBERNETES_DEFAULT:
        resources = resources or DEFAULT_RESOURCES
    elif resources is None or asked.instance_type is not None:
        return default, []
    try:
        return type_for(resources, capabilities.sizes()), []
    except Invalid as error:
        return default, [Detail(error.code, error.message, error.target)]


def _type_on(cluster: ComputeTarget, asked: OnlineDeploymentProperties) -> tuple[str, list[Detail]]:
    faults = []
    if asked.endpoint_compute_type is EndpointComputeType.MANAGED:
        told = f"Endpoints on compute '{cluster.name}' have deployments of the type Kubernetes."
        faults.append(Detail("BadArgument", told, "properties.endpointComputeType"))
    try:
        name = type_on(cluster, asked.instance_type, "properties.instanceType")
    except Invalid as error:
        return "", [*faults, Detail(error.code, error.message, error.target)]
    resources = asked.container_resource_requirements
    return name, [*faults, *resource_faults(cluster, name, resources)]


class DeploymentRoom:
    """As far as the compute can tell before anything is saved: what it says no to here would fail
    there."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities

    def faults(
        self,
        endpoint: str,
        name: str,
        wanted: Wanted[OnlineDeploymentProperties],
        old: OnlineDeployment | None,
    ) -> list[Detail]:
        """None where it asks for no more than `old`, which runs."""
        asked = wanted.properties
        size = self._size(asked)
        capacity = wanted.sku.capacity if wanted.sku else None
        instances = instances_at_first(asked, 1 if capacity is None else capacity)
        if size is None or (old is not None and self._runs_already(old, size, instances)):
            return []
        key = workload_key(endpoint, name)
        lacking = self._capabilities.shortage(key, size, instances, workers_of(asked))
        return [] if lacking is None else [Detail(OUT_OF_QUOTA, lacking, "sku.capacity")]

    def lacking(self, deployment: OnlineDeployment, instances: int) -> str | None:
        """Why the deployment, as it is, cannot have so many."""
        asked = deployment.properties
        size = self._size(asked)
        if size is None:
            return None
        key, workers = deployment.workload_key, deployment.workers
        return self._capabilities.shortage(key, size, instances, workers)

    def _runs_already(self, old: OnlineDeployment, size: InstanceSize, instances: int) -> bool:
        had = self._size(old.properties)
        if old.provisioning_state is not ProvisioningState.SUCCEEDED or had is None:
            return False
        before = instances_at_first(old.properties, old.instance_count)
        return instances <= before and size.memory <= had.memory and size.cpu <= had.cpu

    def _size(self, asked: OnlineDeploymentProperties) -> InstanceSize | None:
        """None for a type that there is not, of which others tell."""
        try:
            return self._capabilities.size(_type_of(asked, self._capabilities)[0])
        except Invalid:
            return None
