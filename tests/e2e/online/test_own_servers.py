"""Servers of a user's own, in containers of a real engine, through the door; and Triton's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.compute.docker.labels import KEY
from outside import serving
from outside.running_host import RunningHost
from tests.servers.engine.dockerd import EngineApi, settings_of
from tests.servers.engine.given import given_engine
from tests.servers.engine.own_image import PORT, own_image

HEALTH = {"path": "/health", "port": PORT}
ROUTES = {
    "livenessRoute": HEALTH,
    "readinessRoute": HEALTH,
    "scoringRoute": {"path": "/predict", "port": PORT},
}
SOON = {"initialDelay": "PT0S", "period": "PT1S", "failureThreshold": 5}
CONFIG = """
name: "double"
backend: "python"
max_batch_size: 0
input [ { name: "X", data_type: TYPE_FP32, dims: [ -1 ] } ]
output [ { name: "Y", data_type: TYPE_FP32, dims: [ -1 ] } ]
"""
DOUBLE = """
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "X").as_numpy()
            answers.append(pb.InferenceResponse([pb.Tensor("Y", x * 2)]))
        return answers
"""


@pytest.fixture(scope="module")
def engine() -> EngineApi:
    return given_engine()


@pytest.fixture(scope="module")
def host(engine: EngineApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    settings = {**settings_of(engine), "ML_ENDPOINTS_CONTAINER_TRITON_IMAGE": "pytriton"}
    folder = tmp_path_factory.mktemp("host") / "data"
    with RunningHost(folder, environment=settings) as host:
        image = own_image(engine)
        asset(host, "environments/own", {"image": image, "inferenceConfig": ROUTES})
        elsewhere = {**ROUTES, "readinessRoute": {"path": "/health", "port": 9999}}
        asset(host, "environments/elsewhere", {"image": image, "inferenceConfig": elsewhere})
        model(host, "half", {"half_plus_two/1/weights": "a half"})
        serving.endpoint(host, "own")
        yield host
        host.workspace.mutate("DELETE", "onlineEndpoints/own")
        faults = host.faults()
    assert not faults, f"the host logged errors: {faults}"
    assert engine.containers(f"{KEY}=online/own/blue") == []


def asset(host: RunningHost, path: str, properties: dict[str, Any]) -> None:
    host.workspace.call("PUT", f"{path}/versions/1", {"properties": properties})


def model(host: RunningHost, name: str, files: dict[str, str], **more: Any) -> None:
    """Of the folder that all its files are in."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        uri = host.workspace.upload("models", name, "1", Path(folder))
    top = next(iter(files)).partition("/")[0]
    asset(host, f"models/{name}", {"modelUri": f"{uri.rstrip('/')}/{top}", **more})


def deploy(host: RunningHost, name: str, **properties: Any) -> None:
    workspace = host.workspace.connection["workspace"]
    named = {
        key: f"{workspace}/{plural}/{properties.pop(key)}/versions/1"
        for key, plural in (("model", "models"), ("environmentId", "environments"))
        if key in properties
    }
    body = {
        "location": "local",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "requestSettings": {"requestTimeout": "PT5M", "maxQueueWait": "PT5M"},
            **named,
            **properties,
        },
    }
    host.workspace.mutate("PUT", f"onlineEndpoints/own/deployments/{name}", body)


def test_a_server_of_one_s_own_is_asked_by_key_at_any_path_and_its_log_is_read(
    host: RunningHost,
) -> None:
    deploy(host, "blue", model="half", environmentId="own", modelMountPath="/mnt/models")
    serving.traffic(host, "own", blue=100)
    with serving.caller(host, "own") as client:
        scored = client.post("?n=1", content=b"body").json()
        assert (scored["path"], scored["body"]) == ("/predict?n=1", "body")
        assert scored["variables"]["AZUREML_MODEL_DIR"] == "/mnt/models"
        assert scored["files"] == {"/mnt/models/half_plus_two/1/weights": "a half"}
        assert scored["model"] == "Read-only file system"
        below = client.put("/v1/models/a%20b:explain").json()
        assert (below["method"], below["path"]) == ("PUT", "/predict/v1/models/a%20b:explain")
        root = str(client.base_url).removesuffix("/").removesuffix("/score")
        other = client.delete(f"{root}/v1/models/half?x=y").json()
        assert (other["method"], other["path"]) == ("DELETE", "/v1/models/half?x=y")
        assert client.get(f"{root}/node/state").json()["path"] == "/node/state"
        assert client.get(f"{root}/v1", headers={"Authorization": ""}).status_code == 401
    path = "onlineEndpoints/own/deployments/blue/getLogs"
    printed = host.workspace.call("POST", path, {}).json()["content"]
    assert "the server begins as usual" in printed
    assert "The server is ready." in printed
    prepared = host.workspace.call("POST", path, {"containerType": "StorageInitializer"}).json()
    assert prepared["content"].startswith("The image "), "pulled, if it were not there"


@pytest.mark.parametrize(
    ("mode", "environment", "because"),
    [
        ("exit", "own", "Its container ended with exit status 7"),
        ("sick", "own", f"port {PORT}: GET /health: status 503"),
        ("", "elsewhere", "port 9999: nobody listens there"),
    ],
)
def test_a_server_that_does_not_come_says_why(
    host: RunningHost, engine: EngineApi, mode: str, environment: str, because: str
) -> None:
    with pytest.raises(RuntimeError) as failed:
        deploy(
            host,
            "red",
            environmentId=environment,
            environmentVariables={"MODE": mode},
            readinessProbe=SOON,
        )
    assert because in str(failed.value)
    assert f"the server begins as {mode or 'usual'}" in str(failed.value)
    host.workspace.mutate("DELETE", "onlineEndpoints/own/deployments/red")
    assert engine.containers(f"{KEY}=online/own/red") == []


def test_a_triton_model_without_code_speaks_the_inference_protocol(host: RunningHost) -> None:
    files = {"models/double/config.pbtxt": CONFIG, "models/double/1/model.py": DOUBLE}
    model(host, "double", files, modelType="triton_model")
    deploy(host, "triton", model="double")
    headers = {"azureml-model-deployment": "triton"}
    with serving.caller(host, "own") as client:
        root = str(client.base_url).removesuffix("/").removesuffix("/score")
        assert client.get(f"{root}/v2/health/ready", headers=headers).status_code == 200
        told = client.get(f"{root}/v2/models/double", headers=headers).json()
        assert told["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1]}]
        body = {"inputs": [{"name": "X", "shape": [2], "datatype": "FP32", "data": [1, 2.5]}]}
        answer = client.post(f"{root}/v2/models/double/infer", json=body, headers=headers).json()
        assert answer["outputs"][0]["data"] == [2.0, 5.0]
