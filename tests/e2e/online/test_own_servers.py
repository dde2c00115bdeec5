"""Servers of a user's own, in containers of a real engine, through the door; and Triton's."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from infra.compute.docker.labels import KEY, ROLE
from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until
from tests.servers.engine.dockerd import BASE, VERSION, EngineApi, settings_of
from tests.servers.engine.given import given_engine
from tests.servers.engine.own_image import PORT, own_image, run_in

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "own_server"
HEALTH = {"path": "/health", "port": PORT}
ROUTES = {
    "livenessRoute": HEALTH,
    "readinessRoute": HEALTH,
    "scoringRoute": {"path": "/predict", "port": PORT},
}
ENDPOINT = {
    "location": "local",
    "identity": {"type": "SystemAssigned"},
    "properties": {"authMode": "Key"},
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


CLIENT = """
import json
import os

import gevent.ssl
import numpy
import tritonclient.http as triton

key = {"Authorization": os.environ["AUTHORIZATION"], "azureml-model-deployment": "triton"}
client = triton.InferenceServerClient(
    os.environ["URL"],
    ssl=True,
    ssl_options={"ca_certs": "/ca.pem"},
    ssl_context_factory=gevent.ssl.create_default_context,
    network_timeout=600.0,
)


def doubled(values, binary):
    asked = triton.InferInput("X", list(values.shape), "FP32")
    asked.set_data_from_numpy(values, binary_data=binary)
    wanted = [triton.InferRequestedOutput("Y", binary_data=binary)]
    return client.infer("double", [asked], outputs=wanted, headers=key).as_numpy("Y")


def refused():
    try:
        client.get_model_metadata("none", headers=key)
    except triton.InferenceServerException as error:
        return error.message()


few = numpy.array([1, 2.5], dtype=numpy.float32)
many = numpy.arange(2_000_000, dtype=numpy.float32)
told = {
    "live": client.is_server_live(headers=key),
    "ready": client.is_server_ready(headers=key),
    "model": client.is_model_ready("double", headers=key),
    "other": client.is_model_ready("none", headers=key),
    "inputs": [each["name"] for each in client.get_model_metadata("double", headers=key)["inputs"]],
    "json": doubled(few, False).tolist(),
    "binary": doubled(few, True).tolist(),
    "large": bool((doubled(many, True) == many * 2).all()),
    "unknown": refused(),
    "without a key": client.is_server_live(),
}
print(json.dumps(told))
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
        host.workspace.mutate("PUT", "onlineEndpoints/own", ENDPOINT)
        yield host
        host.workspace.mutate("DELETE", "onlineEndpoints/own")
        leaves_nothing(engine, "blue")
        faults = host.faults()
    assert not faults, f"the host logged errors: {faults}"


def leaves_nothing(engine: EngineApi, name: str) -> None:
    """What a busy engine does not remove at once it is asked for again."""
    until(lambda: engine.containers(f"{KEY}=online/own/{name}") == [], "no container")


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
        variables, token = scored["variables"], client.get(f"{root}/token").json()
        assert variables["ML_ENDPOINTS_AUTHORITIES"].startswith("-----BEGIN CERTIFICATE-----")
        assert variables["AZURE_STORAGEBLOB_RESOURCEENDPOINT"].endswith("/blobs")
    # Known for whom it is, and without a role so far.
    own = f"{host.workspace.connection['workspace']}/onlineEndpoints/own"
    principal = host.workspace.get("onlineEndpoints/own")["identity"]["principalId"]
    with host.client(headers={"authorization": f"Bearer {token['access_token']}"}) as itself:
        refused = itself.get(own)
    assert (refused.status_code, principal in refused.text) == (403, True)
    path = "onlineEndpoints/own/deployments/blue/getLogs"

    def printed() -> bool:
        log = host.workspace.call("POST", path, {}).json()["content"]
        return "the server begins as usual" in log and "The server is ready." in log

    until(printed, "what the server and its agent said")
    prepared = host.workspace.call("POST", path, {"containerType": "StorageInitializer"}).json()
    assert prepared["content"].startswith("The image "), "pulled, if it were not there"


def test_the_example_goes_from_its_dockerfile_to_an_answer_by_the_command_line(
    host: RunningHost, tmp_path: Path
) -> None:
    place = tmp_path / "own_server"
    shutil.copytree(EXAMPLE, place)
    dockerfile = place / "context" / "Dockerfile"
    theirs, ours = "python:3.11-slim", BASE.format(python=VERSION)
    assert theirs in dockerfile.read_text()
    dockerfile.write_text(dockerfile.read_text().replace(theirs, ours))
    typed(host, tmp_path, "online-endpoint", "create", "-f", f"{place}/endpoint.yml")
    deployment = ("-f", f"{place}/deployment.yml", "--all-traffic")
    typed(host, tmp_path, "online-deployment", "create", *deployment)
    request = ("-n", "own-server", "--request-file", f"{place}/request.json")
    answer = typed(host, tmp_path, "online-endpoint", "invoke", *request)
    assert json.loads(answer)["predictions"] == [2.5, 5.5]
    with serving.caller(host, "own-server") as client:
        root = str(client.base_url).removesuffix("/").removesuffix("/score")
        assert client.get(f"{root}/weights").json() == {"slope": 2.0, "offset": 0.5}
        refused = client.post("", content=b"no")
        assert (refused.status_code, refused.json()["message"][:4]) == (424, "Send")
        assert refused.headers["ms-azureml-model-error-statuscode"] == "400"
    typed(host, tmp_path, "online-endpoint", "delete", "-n", "own-server", "--yes")


def typed(host: RunningHost, folder: Path, *words: str) -> str:
    """A command as a person types it; what it answers."""
    environment = {
        **os.environ,
        "MLE_CONFIG_DIR": str(folder / "config"),
        "MLE_CONNECTION": str(host.connection_file),
    }
    command = [sys.executable, "-m", "cli"]
    done = subprocess.run(
        [*command, *words], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_servers_that_do_not_come_say_why_and_leave_nothing(
    host: RunningHost, engine: EngineApi
) -> None:
    """At the same time: each takes the while that its probe, or its restarts, are given."""
    cases = {
        "exits": ("own", "exit", "Its container ended with exit status 7"),
        "sick": ("own", "sick", f"port {PORT}: GET /health: status 503"),
        "deaf": ("elsewhere", "", "port 9999: nobody listens there"),
    }

    def told(name: str) -> str:
        environment, mode, because = cases[name]
        for number in range(6):
            # Where the machine is too slow for the server to come, twice the time.
            probe = {**SOON, "failureThreshold": 5 * 2**number}
            with pytest.raises(RuntimeError) as failed:
                deploy(
                    host,
                    name,
                    environmentId=environment,
                    environmentVariables={"MODE": mode},
                    readinessProbe=probe,
                )
            if because in str(failed.value) and "the server begins as" in str(failed.value):
                break
        return str(failed.value)

    with ThreadPoolExecutor() as pool:
        reasons = dict(zip(cases, pool.map(told, cases), strict=True))
    for name, (_, mode, because) in cases.items():
        assert because in reasons[name]
        assert f"the server begins as {mode or 'usual'}" in reasons[name]
        host.workspace.mutate("DELETE", f"onlineEndpoints/own/deployments/{name}")
        leaves_nothing(engine, name)


def test_a_triton_model_without_code_speaks_the_inference_protocol(
    host: RunningHost, engine: EngineApi
) -> None:
    """To a client that is not ours: it comes with the server's own environment."""
    files = {"models/double/config.pbtxt": CONFIG, "models/double/1/model.py": DOUBLE}
    model(host, "double", files, modelType="triton_model")
    deploy(host, "triton", model="double")
    with serving.caller(host, "own") as client:
        url = client.base_url
        path = url.path.removesuffix("/").removesuffix("/score")
        variables = {
            "URL": f"{url.host}:{url.port}{path}",
            "AUTHORIZATION": client.headers["authorization"],
        }
    [server] = engine.containers(f"{KEY}=online/own/triton", f"{ROLE}=server")
    ca_file = host.connection["ca_file"]
    status, printed = run_in(
        engine, server["Image"], CLIENT, variables, binds=[f"{ca_file}:/ca.pem:ro"]
    )
    assert status == 0, printed
    assert json.loads(printed.splitlines()[-1]) == {
        "live": True,
        "ready": True,
        "model": True,
        "other": False,
        "inputs": ["X"],
        "json": [2.0, 5.0],
        "binary": [2.0, 5.0],
        "large": True,
        "unknown": "Request for unknown model: 'none' is not found",
        "without a key": False,
    }
