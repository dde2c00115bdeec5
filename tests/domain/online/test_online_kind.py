"""What an online endpoint and its deployments may be."""

from dataclasses import replace
from typing import Any

import pytest

from domain.assets import asset
from domain.computes.container_resources import (
    ContainerResourceRequirements,
    ContainerResources,
)
from domain.errors import Conflict, Invalid
from domain.ground.access import trusted
from domain.ground.keys import KeyType
from domain.online.online_deployment import ScaleType
from domain.online.online_endpoint import OnlineEndpointProperties
from domain.ports import EnvironmentSpec, ServingWorkload
from infra.composition.assets import asset_use, compose_assets
from infra.composition.ground import compose_ground
from infra.composition.online import compose_online
from infra.settings.features import TokenSettings
from tests.kit.composed import SCOPE
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    faults,
    online_deployment,
    online_endpoint,
)

KEY = "online/iris/blue"


async def refused_endpoint(stage: ProvisioningStage, **properties: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as refused:
        await stage.put_endpoint(**properties)
    return faults(refused.value)


async def refused_deployment(stage: ProvisioningStage, **changes: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as refused:
        await stage.put_deployment(**changes)
    return faults(refused.value)


# -- endpoints --------------------------------------------------------------------------------


async def test_traffic_needs_deployments_that_are_there(stage: ProvisioningStage) -> None:
    found = await refused_endpoint(stage, traffic={"blue": 100})
    assert "(there: none)" in found["properties.traffic.blue"]
    await stage.iris("blue", "green")
    await stage.put_endpoint(traffic={"blue": 90, "green": 10})
    await stage.settle()
    endpoint = (await stage.online.documents.endpoint("iris")).resource
    assert (endpoint.traffic_of("BLUE"), endpoint.traffic_of("red")) == (90, 0)


async def test_zero_percent_is_not_kept(stage: ProvisioningStage) -> None:
    await stage.iris("blue", "green")
    await stage.put_endpoint(traffic={"blue": 100, "green": 0}, mirror_traffic={"green": 0})
    properties = (await stage.online.documents.endpoint("iris")).resource.properties
    assert (properties.traffic, properties.mirror_traffic) == ({"blue": 100}, {})


async def test_a_deployment_that_is_being_deleted_gets_no_traffic(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    await stage.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)
    found = await refused_endpoint(stage, traffic={"blue": 100})
    assert "does not exist" in found["properties.traffic.blue"]


async def test_deleting_a_deployment_that_holds_traffic_is_refused(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("blue", "green")
    await stage.put_endpoint(traffic={"Blue": 100})
    await stage.settle()
    with pytest.raises(Conflict, match="holds 100 % of the traffic") as refused:
        await stage.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)
    assert refused.value.code == "DeploymentHoldsTraffic"
    assert refused.value.target == "properties.traffic"
    assert await stage.deployment_state("blue") == "Succeeded"
    assert await stage.online.provisioning.delete_deployment("iris", "green", CALLER, ANY)
    await stage.put_endpoint(traffic={})
    await stage.settle()
    assert await stage.online.provisioning.delete_deployment("iris", "blue", CALLER, ANY)


async def test_every_fault_of_an_endpoint_is_told_at_once_with_its_target(
    stage: ProvisioningStage,
) -> None:
    found = await refused_endpoint(
        stage,
        name="-",
        auth_mode="aad_token",
        traffic={"red": 50},
        mirror_traffic={"blue": 10},
        public_network_access="Disabled",
    )
    assert set(found) == {
        "name",
        "properties.traffic.red",
        "properties.traffic",
        "properties.mirrorTraffic.blue",
        "properties.publicNetworkAccess",
    }
    assert all(message.endswith(".") for message in found.values())


async def test_properties_can_only_be_added(stage: ProvisioningStage) -> None:
    await stage.put_endpoint(properties={"a": "1"})
    await stage.settle()
    await stage.put_endpoint(properties={"a": "1", "b": "2"})
    await stage.settle()
    found = await refused_endpoint(stage, properties={"a": "changed"})
    assert set(found) == {"properties.properties.a", "properties.properties.b"}


def listened_to(stage: ProvisioningStage) -> list[str]:
    """The names of the endpoints that a router is told of from here on."""
    told: list[str] = []
    ground = compose_ground(stage.adapters, scope=SCOPE, location="here", aggregate_period=300)
    sources = compose_assets(ground, use=asset_use(ground)).sources
    online = compose_online(
        ground,
        TokenSettings(),
        sources,
        stage.application.batch.computes,
        told.append,
    )
    stage.live(replace(stage.application, online=online))
    return told


async def test_a_deployment_is_kept_from_networks_where_the_compute_can(
    stage: ProvisioningStage,
) -> None:
    await stage.iris("blue")
    before = stage.compute.running[KEY]
    assert not before.program.closed
    await stage.put_deployment(egress_public_network_access="disabled")
    await stage.settle()
    blue = (await stage.online.documents.deployment("iris", "blue")).resource
    assert blue.properties.egress_public_network_access == "Disabled"
    closed = stage.compute.running[KEY]
    assert closed.program.closed
    assert closed.revision != before.revision
    await stage.put_deployment(egress_public_network_access="enabled")
    await stage.settle()
    assert stage.compute.running[KEY].revision == before.revision


async def test_a_deployment_is_not_kept_from_networks_where_the_compute_cannot(
    stage: ProvisioningStage,
) -> None:
    stage.compute.open_only = "There is one network for all."
    await stage.iris("blue")
    at = "properties.egressPublicNetworkAccess"
    for asked, told in (("Disabled", stage.compute.open_only), ("Perhaps", "Enabled or Disabled")):
        found = await refused_deployment(stage, egress_public_network_access=asked)
        assert set(found) == {at}
        assert told in found[at]


async def test_a_router_is_told_of_every_change_and_sees_a_higher_version(
    stage: ProvisioningStage,
) -> None:
    changed = listened_to(stage)
    await stage.register_assets()
    versions: list[int] = []

    async def look() -> None:
        versions.append((await stage.online.documents.endpoint("iris")).resource.route_version)
        assert changed
        assert set(changed) == {"iris"}
        changed.clear()

    await stage.put_endpoint()
    await look()
    await stage.settle()
    changed.clear()
    await stage.put_deployment()
    await look()
    await stage.settle()
    await look()
    await stage.put_endpoint(traffic={"blue": 100})
    await look()
    await stage.settle()
    await stage.online.keys.regenerate_key("iris", KeyType.PRIMARY, None, CALLER)
    await look()
    assert versions == sorted(set(versions))


# -- deployments ------------------------------------------------------------------------------


async def test_a_deployment_becomes_the_workload_it_asks_for(stage: ProvisioningStage) -> None:
    await stage.iris()
    await stage.put_deployment(
        capacity=2,
        environment_variables={"A": "1"},
        request_settings={"requestTimeout": "PT0.5S", "maxConcurrentRequestsPerInstance": 7},
        liveness_probe={"initialDelay": "PT1S", "failureThreshold": 4},
    )
    await stage.settle()
    workload = stage.compute.running[KEY]
    assert isinstance(workload, ServingWorkload)
    program = workload.program
    assert (workload.instance_count, program.scoring_script) == (2, "score.py")
    assert program.model is not None
    assert (program.model.container, program.model.path) == ("workspaceblobstore", "model.bin")
    assert program.code is not None
    assert program.code.path == "src"
    assert workload.request_timeout.total_seconds() == 0.5
    assert workload.max_concurrent_requests == 7
    assert (workload.liveness.initial_delay, workload.liveness.failure_threshold) == (1.0, 4)
    assert (workload.readiness.initial_delay, workload.readiness.failure_threshold) == (10.0, 30)


async def test_azure_ml_s_defaults_hold(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    properties = (await stage.online.deployments.get("iris", "blue")).resource.properties
    assert properties.instance_type == "Standard_F4s_v2"
    assert properties.scale_settings.scale_type is ScaleType.DEFAULT
    assert properties.request_settings.request_timeout.total_seconds() == 5
    assert properties.request_settings.max_queue_wait.total_seconds() == 0.5
    assert stage.compute.running[KEY].instance_count == 1


async def test_references_are_resolved_when_they_are_put(stage: ProvisioningStage) -> None:
    await stage.iris()
    await stage.put_deployment(model="azureml:m@latest")
    await stage.settle()
    model = (await stage.online.deployments.get("iris", "blue")).resource.properties.model
    assert model == SCOPE.path("models", "m", "versions", "1")
    uri = "azureml://datastores/workspaceblobstore/paths/src/score.py"
    await stage.registration.put_version(
        asset.MODELS, "m", "2", asset.ModelVersionProperties(model_uri=uri), CALLER, ANY
    )
    await stage.put_deployment(model="azureml:m@latest", description="again")
    properties = (await stage.online.deployments.get("iris", "blue")).resource.properties
    assert properties.model == SCOPE.path("models", "m", "versions", "2")
    assert properties.code_configuration is not None
    assert properties.code_configuration.code_id == SCOPE.path("codes", "c", "versions", "1")
    assert properties.environment_id == SCOPE.path("environments", "e", "versions", "1")


async def test_every_fault_of_a_deployment_is_told_at_once_with_its_target(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    found = await refused_deployment(
        stage,
        name="1",
        model="azureml:none:1",
        code_configuration={"code_id": "azureml:c:9", "scoring_script": "score.py"},
        environment_id="azureml:none:1",
        endpoint_compute_type="AzureMLCompute",
        environment_variables={"WORKER_COUNT": "many"},
        model_mount_path="/var/model",
    )
    assert set(found) == {
        "name",
        "properties.model",
        "properties.codeConfiguration.codeId",
        "properties.environmentId",
        "properties.endpointComputeType",
        "properties.environmentVariables.WORKER_COUNT",
        "properties.modelMountPath",
    }


@pytest.mark.parametrize(
    ("code", "target", "because"),
    [
        (None, "properties.codeConfiguration", "A scoring script is needed"),
        ({"scoring_script": "score.py"}, "properties.codeConfiguration.codeId", "codeId names"),
        *[
            ({"code_id": "azureml:c:1", "scoring_script": script}, target, because)
            for script, target, because in [
                ("other.py", "properties.codeConfiguration.scoringScript", "no file 'other.py'"),
                ("../score.py", "properties.codeConfiguration.scoringScript", "not a path"),
                ("/etc/score.py", "properties.codeConfiguration.scoringScript", "not a path"),
                ("score.sh", "properties.codeConfiguration.scoringScript", "not a path"),
                ("a\x00.py", "properties.codeConfiguration.scoringScript", "control character"),
                ("a//b.py", "properties.codeConfiguration.scoringScript", "no file"),
                ("x" * 500 + ".py", "properties.codeConfiguration.scoringScript", "x"),
            ]
        ],
    ],
)
async def test_a_deployment_needs_a_scoring_script_that_is_in_its_code(
    stage: ProvisioningStage, code: Any, target: str, because: str
) -> None:
    await stage.iris()
    found = await refused_deployment(stage, code_configuration=code)
    assert list(found) == [target]
    assert because in found[target]


MLMODEL = """
flavors: {python_function: {loader_module: mlflow.sklearn, env: {conda: conda.yaml}}}
signature: {inputs: '[{"type": "double", "name": "a"}]', outputs: null, params: null}
"""


ALONE: dict[str, Any] = {
    "model": "azureml:own:1",
    "code_configuration": None,
    "environment_id": None,
}


async def test_an_mlflow_model_needs_neither_code_nor_environment(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    await stage.register_mlflow(MLMODEL, "dependencies: [python=3.11, {pip: [mlflow-skinny]}]")
    await stage.put_deployment(**ALONE)
    await stage.settle()
    program = stage.compute.running[KEY].program
    assert program.scoring_script is None
    assert program.code == program.model
    assert program.code.path == "mlflow"
    assert program.environment == EnvironmentSpec("3.11", ("mlflow-skinny",))
    stored = await stage.online.deployments.get("iris", "blue")
    assert stored.resource.properties.environment_id is None
    # Either of the two may still be given.
    await stage.put_deployment(**{**ALONE, "environment_id": "azureml:e:1"})
    await stage.settle()
    assert stage.compute.running[KEY].program.environment.requirements == ("joblib",)
    assert stage.compute.running[KEY].program.scoring_script is None


async def test_an_mlflow_model_that_cannot_be_built_is_refused_with_every_reason(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    conda = "dependencies: [python=3.11, r-base, {pip: [mlflow, 'git+https://a.b/c']}]"
    await stage.register_mlflow(MLMODEL.partition("signature")[0], conda)
    with pytest.raises(Invalid) as caught:
        await stage.put_deployment(**ALONE)
    told = [(detail.target, detail.message) for detail in caught.value.details]
    assert [target for target, _ in told] == [
        "properties.codeConfiguration",
        "properties.environmentId",
        "properties.environmentId",
    ]
    assert "no signature" in told[0][1]
    assert "'r-base' has no known counterpart" in told[1][1]
    assert "version control is not fetched from" in told[2][1]


async def test_what_the_compute_cannot_run_is_refused_before_it_tries(
    stage: ProvisioningStage,
) -> None:
    await stage.iris()
    stage.compute.refused = ["There is no Python 2.7 here."]
    found = await refused_deployment(stage, instance_type="Standard_Unheard_Of")
    assert found == {
        "properties.environmentId": "There is no Python 2.7 here.",
        "properties.instanceType": "There is no such instance type.",
    }


async def test_a_kubernetes_deployment_runs_here_on_a_type_that_has_its_resources(
    stage: ProvisioningStage,
) -> None:
    await stage.register_assets()
    await stage.put_endpoint(compute="azureml:a-cluster")
    await stage.settle()
    limits = ContainerResources(cpu="2", memory="1Gi")
    resources = ContainerResourceRequirements(container_resource_limits=limits)
    await stage.put_deployment(
        endpoint_compute_type="Kubernetes",
        instance_type=None,
        container_resource_requirements=resources,
    )
    await stage.settle()
    shown = (await stage.online.documents.deployment("iris", "blue")).resource.properties
    assert shown.instance_type == "Standard_DS3_v2"
    assert shown.container_resource_requirements == resources
    assert KEY in stage.compute.running
    huge = ContainerResources(cpu="200")
    found = await refused_deployment(
        stage,
        instance_type=None,
        container_resource_requirements=ContainerResourceRequirements(
            container_resource_limits=huge
        ),
    )
    assert "200 cores" in found["properties.containerResourceRequirements"]


async def test_the_instance_type_that_every_cluster_has_is_known_here(
    stage: ProvisioningStage,
) -> None:
    await stage.register_assets()
    await stage.put_endpoint(compute="azureml:a-cluster")
    await stage.settle()
    await stage.put_deployment(
        endpoint_compute_type="Kubernetes", instance_type="defaultinstancetype"
    )
    await stage.settle()
    shown = (await stage.online.documents.deployment("iris", "blue")).resource.properties
    assert shown.instance_type == "Standard_DS3_v2"
    assert KEY in stage.compute.running


async def test_a_deployment_tells_what_its_user_should_know_of_how_it_runs(
    stage: ProvisioningStage,
) -> None:
    stage.compute.cautioned = ["Python 3.12 is not on this machine."]
    await stage.iris()
    await stage.put_deployment()
    await stage.settle()
    found = await stage.online.documents.deployment("iris", "blue")
    assert found.resource.properties.warnings == ("Python 3.12 is not on this machine.",)
    stage.compute.cautioned = []
    await stage.put_deployment(warnings=("said by a caller",))
    await stage.settle()
    found = await stage.online.documents.deployment("iris", "blue")
    assert found.resource.properties.warnings == ()


async def test_a_deployment_may_do_without_a_model(stage: ProvisioningStage) -> None:
    await stage.iris()
    await stage.put_deployment(model=None)
    await stage.settle()
    assert stage.compute.running[KEY].program.model is None


def test_the_wire_s_null_traffic_is_none() -> None:
    asked = {"traffic": None, "mirrorTraffic": None}
    assert OnlineEndpointProperties.from_document(asked).traffic == {}


async def test_an_endpoint_s_location_is_the_installation_s_unless_told(
    stage: ProvisioningStage,
) -> None:
    await stage.put_endpoint()
    assert (await stage.online.documents.endpoint("iris")).resource.location == "here"
    wanted = online_endpoint().but(location="elsewhere")
    await stage.online.provisioning.put_endpoint("other", wanted, trusted(CALLER), ANY)
    assert (await stage.online.documents.endpoint("other")).resource.location == "elsewhere"
    assert online_deployment().location is None
