"""Online endpoints and deployments, from their making to their end."""

import json

from azure.ai.ml import load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import (
    CodeConfiguration,
    DataCollector,
    DeploymentCollection,
    Environment,
    KubernetesOnlineDeployment,
    KubernetesOnlineEndpoint,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
    RequestLogging,
    ResourceRequirementsSettings,
    ResourceSettings,
)

from outside.official_sdk.kit import CONDA, IMAGE, WORK, client, file, play, refused, same, step
from outside.waiting import until

SCRIPT = """
import json
import os


def init():
    print("init says hello")


def run(data):
    return {"got": json.loads(data), "who": os.environ.get("WHO")}
"""
FAILS = """
def init():
    raise ValueError("no weights here")


def run(data):
    return data
"""
CONTRIB = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    assert isinstance(AMLRequest, type)
    return AMLResponse(request.get_data().decode().upper(), 201)
"""
AMPLE = OnlineRequestSettings(request_timeout_ms=180000, max_queue_wait_ms=180000)
REQUEST = str(file("request.json", json.dumps({"a": [1, 2]})))


def environment() -> Environment:
    return Environment(conda_file=str(file("conda.yml", CONDA)), image=IMAGE)


def log(name: str) -> str:
    told: str = client.online_deployments.get_logs(name, "sdk", lines=100)
    return told


def deployment(name: str, script: str = SCRIPT, **more: object) -> ManagedOnlineDeployment:
    folder = file(f"{name}/score.py", script).parent
    return ManagedOnlineDeployment(
        **{
            "name": name,
            "endpoint_name": "sdk",
            "environment": environment(),
            "code_configuration": CodeConfiguration(code=str(folder), scoring_script="score.py"),
            "instance_type": "Standard_DS3_v2",
            "instance_count": 1,
            "environment_variables": {"WHO": name},
            "request_settings": AMPLE,
            **more,
        }
    )


@step
def endpoint_create() -> None:
    made = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(
            name="sdk", auth_mode="key", description="made by the SDK", tags={"a": "1"}
        )
    ).result()
    same((made.provisioning_state, made.auth_mode), ("Succeeded", "key"))


@step
def endpoint_by_yaml() -> None:
    yaml = file("endpoint.yml", "name: by-yaml\nauth_mode: aml_token\n")
    made = client.online_endpoints.begin_create_or_update(load_online_endpoint(yaml)).result()
    same(made.auth_mode, "aml_token")


@step
def endpoint_with_a_public_network() -> None:
    made = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="public", public_network_access="enabled")
    ).result()
    same(made.public_network_access.lower(), "enabled")


@step
def endpoint_without_public_network_is_refused() -> None:
    wanted = ManagedOnlineEndpoint(name="closed", public_network_access="disabled")
    refused(lambda: client.online_endpoints.begin_create_or_update(wanted).result(), "ublic")


@step
def endpoint_get() -> None:
    found = client.online_endpoints.get("sdk")
    same((found.description, found.tags), ("made by the SDK", {"a": "1"}))
    same(found.scoring_uri.endswith("/score"), True)
    same(found.openapi_uri.endswith("/swagger.json"), True)


@step
def endpoint_list() -> None:
    same({each.name for each in client.online_endpoints.list()} >= {"sdk", "by-yaml"}, True)


@step
def deployment_create() -> None:
    made = client.online_deployments.begin_create_or_update(
        deployment(
            "blue",
            model=Model(path=str(file("model.txt", "w")), name="first", version="1"),
            request_settings=OnlineRequestSettings(
                request_timeout_ms=30000, max_concurrent_requests_per_instance=2
            ),
            liveness_probe=ProbeSettings(period=10, initial_delay=1),
            readiness_probe=ProbeSettings(period=10, initial_delay=1, success_threshold=1),
        )
    ).result()
    same((made.provisioning_state, made.instance_count), ("Succeeded", 1))


@step
def deployment_of_registered_assets() -> None:
    client.environments.create_or_update(
        Environment(name="sdk-online", version="1", image=IMAGE, conda_file=str(WORK / "conda.yml"))
    )
    made = client.online_deployments.begin_create_or_update(
        deployment("green", model="azureml:first:1", environment="sdk-online@latest")
    ).result()
    same(made.model.endswith("/models/first/versions/1"), True)


@step
def deployment_by_yaml() -> None:
    file("yaml/src/score.py", SCRIPT)
    yaml = file(
        "yaml/deployment.yml",
        "name: third\nendpoint_name: sdk\nmodel: azureml:first@latest\n"
        "code_configuration:\n  code: src\n  scoring_script: score.py\n"
        "environment: azureml:sdk-online:1\n"
        "instance_type: Standard_DS3_v2\ninstance_count: 1\n",
    )
    made = client.online_deployments.begin_create_or_update(load_online_deployment(yaml)).result()
    same(made.provisioning_state, "Succeeded")


@step
def deployment_get() -> None:
    found = client.online_deployments.get("blue", "sdk")
    same(found.environment_variables["WHO"], "blue")
    same(found.request_settings.request_timeout_ms, 30000)
    same(found.code_configuration.scoring_script, "score.py")


@step
def deployment_list() -> None:
    found = {each.name for each in client.online_deployments.list("sdk")}
    same(found, {"blue", "green", "third"})


@step
def deployment_with_a_data_collector() -> None:
    wanted = DataCollector(
        collections={
            "request": DeploymentCollection(enabled="true"),
            "model_inputs": DeploymentCollection(enabled="True", client_id="anybody"),
        },
        rolling_rate="hour",
        sampling_rate=0.5,
        request_logging=RequestLogging(capture_headers=["x-tenant"]),
    )
    client.online_deployments.begin_create_or_update(
        deployment("watched", model="azureml:first:1", data_collector=wanted)
    ).result()
    found = client.online_deployments.get("watched", "sdk").data_collector
    same(found.collections["model_inputs"].enabled, "true")
    same(
        found.collections["model_inputs"].data.endswith("sdk-watched-model_inputs/versions/1"), True
    )
    same((found.rolling_rate.lower(), found.sampling_rate), ("hour", 0.5))
    same(found.request_logging.capture_headers, ["x-tenant"])
    client.online_deployments.begin_delete("watched", "sdk").result()


@step
def deployment_update() -> None:
    found = client.online_deployments.get("blue", "sdk")
    found.tags = {"b": "2"}
    found.instance_count = 2
    made = client.online_deployments.begin_create_or_update(found).result()
    same((made.instance_count, made.tags["b"]), (2, "2"))


@step
def deployment_logs() -> None:
    until(lambda: "init says hello" in log("blue"), "what was printed")


@step
def deployment_logs_of_the_storage_initializer() -> None:
    client.online_deployments.get_logs(
        "blue", "sdk", lines=10, container_type="storage-initializer"
    )


@step
def traffic() -> None:
    found = client.online_endpoints.get("sdk")
    found.traffic = {"blue": 100}
    made = client.online_endpoints.begin_create_or_update(found).result()
    same(made.traffic["blue"], 100)


@step
def mirror_traffic() -> None:
    found = client.online_endpoints.get("sdk")
    found.mirror_traffic = {"green": 10}
    made = client.online_endpoints.begin_create_or_update(found).result()
    same(made.mirror_traffic["green"], 10)
    found.mirror_traffic = {}
    client.online_endpoints.begin_create_or_update(found).result()


@step
def invoke() -> None:
    answer = client.online_endpoints.invoke("sdk", request_file=REQUEST)
    same(json.loads(answer), {"got": {"a": [1, 2]}, "who": "blue"})


@step
def invoke_a_deployment() -> None:
    answer = client.online_endpoints.invoke("sdk", request_file=REQUEST, deployment_name="green")
    same(json.loads(answer)["who"], "green")


@step
def invoke_a_deployment_that_is_not_there() -> None:
    refused(
        lambda: client.online_endpoints.invoke(
            "sdk", request_file=REQUEST, deployment_name="nobody"
        ),
        "nobody",
    )


@step
def keys() -> None:
    found = client.online_endpoints.get_keys("sdk")
    same(found.primary_key != found.secondary_key, True)


@step
def keys_are_made_anew() -> None:
    before = client.online_endpoints.get_keys("sdk")
    client.online_endpoints.begin_regenerate_keys("sdk").result()
    between = client.online_endpoints.get_keys("sdk")
    same(between.primary_key != before.primary_key, True)
    same(between.secondary_key, before.secondary_key)
    client.online_endpoints.begin_regenerate_keys("sdk", key_type="secondary").result()
    after = client.online_endpoints.get_keys("sdk")
    same(after.primary_key, between.primary_key)
    same(after.secondary_key != between.secondary_key, True)


@step
def token() -> None:
    found = client.online_endpoints.get_keys("by-yaml")
    same(found.access_token.count("."), 2)


@step
def deployment_of_contrib_services() -> None:
    flask = {"dependencies": ["python=3.11", {"pip": ["flask"]}]}
    wanted = deployment("contrib", CONTRIB, environment=Environment(conda_file=flask, image=IMAGE))
    client.online_deployments.begin_create_or_update(wanted).result()
    answer = client.online_endpoints.invoke("sdk", request_file=REQUEST, deployment_name="contrib")
    same("2" in answer, True)


@step
def deployment_of_a_script_that_dies_says_so() -> None:
    refused(
        lambda: client.online_deployments.begin_create_or_update(deployment("bad", FAILS)).result(),
        "no weights here",
    )
    until(lambda: "no weights here" in log("bad"), "why it died")
    client.online_deployments.begin_delete("bad", "sdk").result()


@step
def deployment_whose_script_is_not_there() -> None:
    folder = file("lost/score.py", SCRIPT).parent
    wanted = deployment(
        "lost",
        code_configuration=CodeConfiguration(code=str(folder), scoring_script="other.py"),
    )
    refused(lambda: client.online_deployments.begin_create_or_update(wanted).result(), "other.py")


@step
def deployment_with_a_mount_path_is_refused_and_says_why() -> None:
    wanted = deployment("mounted", model="azureml:first:1", model_mount_path="/var/models")
    refused(
        lambda: client.online_deployments.begin_create_or_update(wanted).result(),
        "AZUREML_MODEL_DIR",
    )


@step
def deployment_that_may_not_go_out() -> None:
    made = client.online_deployments.begin_create_or_update(
        deployment("inside", egress_public_network_access="disabled")
    ).result()
    same(made.egress_public_network_access.lower(), "disabled")


@step
def kubernetes_endpoint() -> None:
    made = client.online_endpoints.begin_create_or_update(
        KubernetesOnlineEndpoint(name="on-k8s", auth_mode="key", compute="azureml:local")
    ).result()
    same(made.provisioning_state, "Succeeded")


@step
def kubernetes_deployment() -> None:
    folder = file("k8s/score.py", SCRIPT).parent
    made = client.online_deployments.begin_create_or_update(
        KubernetesOnlineDeployment(
            name="blue",
            endpoint_name="on-k8s",
            environment=environment(),
            code_configuration=CodeConfiguration(code=str(folder), scoring_script="score.py"),
            instance_count=1,
            resources=ResourceRequirementsSettings(
                requests=ResourceSettings(cpu="0.1", memory="0.2Gi"),
                limits=ResourceSettings(cpu="0.2", memory="0.5Gi"),
            ),
        )
    ).result()
    same(made.provisioning_state, "Succeeded")
    answer = client.online_endpoints.invoke("on-k8s", request_file=REQUEST, deployment_name="blue")
    same(json.loads(answer)["got"], {"a": [1, 2]})


@step
def deployment_with_traffic_is_not_deleted() -> None:
    refused(lambda: client.online_deployments.begin_delete("blue", "sdk").result(), "traffic")


@step
def deployment_delete() -> None:
    client.online_deployments.begin_delete("third", "sdk").result()
    refused(lambda: client.online_deployments.get("third", "sdk"), "third")


@step
def endpoint_that_is_not_there() -> None:
    refused(lambda: client.online_endpoints.get("nobody"), "nobody")


@step
def endpoint_delete() -> None:
    for name in ("sdk", "by-yaml", "public", "on-k8s"):
        client.online_endpoints.begin_delete(name).result()
    refused(lambda: client.online_endpoints.get("sdk"), "sdk")


if __name__ == "__main__":
    play()
