"""A namespace of a cluster, attached by the official SDK, and a deployment there."""

import os

from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    KubernetesCompute,
    KubernetesOnlineDeployment,
    KubernetesOnlineEndpoint,
    OnlineRequestSettings,
    ResourceRequirementsSettings,
    ResourceSettings,
)

from outside.official_sdk.kit import CONDA, IMAGE, client, file, play, refused, same, step

NAMESPACE = os.environ["SDK_NAMESPACE"]
SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return 'here'\n"
SMALL = {
    "resources": {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }
}


def cluster(**inner: object) -> KubernetesCompute:
    told = {"instanceTypes": {"small": SMALL}, "defaultInstanceType": "small", **inner}
    return KubernetesCompute(name="sdk-cluster", namespace=NAMESPACE, properties=told)


@step
def a_namespace_is_attached_with_its_instance_types() -> None:
    client.compute.begin_create_or_update(cluster()).result()
    shown = client.compute.get("sdk-cluster")
    same(shown.type.lower(), "kubernetes")
    same(shown.namespace, NAMESPACE)
    same(list(shown.properties["instanceTypes"]), ["small"])


@step
def what_cannot_be_is_refused() -> None:
    refused(
        lambda: client.compute.begin_create_or_update(cluster(defaultInstanceType="huge")).result(),
        "There is no 'huge' among instanceTypes",
    )


@step
def a_deployment_runs_there() -> None:
    endpoint = KubernetesOnlineEndpoint(name="sdk-there", compute="sdk-cluster", auth_mode="key")
    client.online_endpoints.begin_create_or_update(endpoint).result()
    wanted = ResourceSettings(cpu="500m", memory="256Mi")
    deployment = KubernetesOnlineDeployment(
        name="blue",
        endpoint_name="sdk-there",
        environment=Environment(conda_file=str(file("conda.yml", CONDA)), image=IMAGE),
        code_configuration=CodeConfiguration(
            code=str(file("there/score.py", SCRIPT).parent), scoring_script="score.py"
        ),
        instance_type="small",
        instance_count=1,
        resources=ResourceRequirementsSettings(limits=wanted),
        request_settings=OnlineRequestSettings(request_timeout_ms=180000),
    )
    client.online_deployments.begin_create_or_update(deployment).result()
    shown = client.online_deployments.get("blue", "sdk-there")
    same(shown.provisioning_state, "Succeeded")
    same(shown.instance_type, "small")
    asked = str(file("asked.json", "{}"))
    same(
        client.online_endpoints.invoke("sdk-there", deployment_name="blue", request_file=asked),
        '"here"',
    )


@step
def it_is_detached_when_nobody_is_there_any_more() -> None:
    client.online_endpoints.begin_delete("sdk-there").result()
    client.compute.begin_delete("sdk-cluster", action="Detach").result()
    same([each.name for each in client.compute.list() if each.name == "sdk-cluster"], [])


if __name__ == "__main__":
    play()
