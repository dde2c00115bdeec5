"""Deployments whose server is their user's own: an image's, or Triton's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from domain.assets import asset
from domain.assets.servers import own_servers
from domain.errors import Invalid
from domain.ports import EnvironmentSpec, Program, ServerRoute, ServingWorkload
from tests.kit.stages.provisioning_stage import ANY, CALLER, ProvisioningStage, faults

IMAGE = "docker.io/tensorflow/serving:2.14"
PATHS = "azureml://datastores/workspaceblobstore/paths"
HEALTH = {"path": "/v1/models/half_plus_two", "port": 8501}
CONFIG = {
    "liveness_route": HEALTH,
    "readiness_route": {"path": "/ready", "port": 8502},
    "scoring_route": {"path": "/v1/models/half_plus_two:predict", "port": 8501},
}
CONDA = "dependencies:\n- python=3.11\n- pip:\n  - numpy\n"


@pytest_asyncio.fixture
async def byoc(stage: ProvisioningStage) -> AsyncIterator[ProvisioningStage]:
    """Environments `server` (an image with routes) and `both` (with a conda file beside them),
    models `half:3`, a folder, and `triton:1`."""
    await stage.register_assets()
    await stage.put_endpoint()
    await stage.settle()
    await environment(stage, "server", image=IMAGE, inference_config=CONFIG)
    await environment(stage, "both", conda_file=CONDA, inference_config=CONFIG)
    await model(stage, "half", "3", "half_plus_two/1/saved.pb")
    await model(stage, "triton", "1", "models/resnet/1/model.onnx", model_type="triton_model")
    yield stage


async def environment(stage: ProvisioningStage, name: str, **said: Any) -> None:
    wanted = asset.EnvironmentVersionProperties(**said)
    await stage.registration.put_version(asset.ENVIRONMENTS, name, "1", wanted, CALLER, ANY)


async def model(stage: ProvisioningStage, name: str, version: str, file: str, **said: Any) -> None:
    await stage.blobs.write("workspaceblobstore", file, b"model")
    folder = file.partition("/")[0]
    wanted = asset.ModelVersionProperties(model_uri=f"{PATHS}/{folder}", **said)
    await stage.registration.put_version(asset.MODELS, name, version, wanted, CALLER, ANY)


async def program(stage: ProvisioningStage, **asked: Any) -> Program:
    usual: dict[str, Any] = {"model": None, "code_configuration": None, "environment_id": None}
    await stage.put_deployment(**{**usual, **asked})
    await stage.settle()
    workload = stage.compute.running["online/iris/blue"]
    assert isinstance(workload, ServingWorkload)
    return workload.program


async def refused(stage: ProvisioningStage, **asked: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as raised:
        await program(stage, **asked)
    return faults(raised.value)


async def test_an_image_with_routes_is_a_server(byoc: ProvisioningStage) -> None:
    found = await program(
        byoc,
        model="azureml:half:3",
        environment_id="azureml:server:1",
        environment_variables={"MODEL_NAME": "half_plus_two"},
    )
    server = found.server
    assert server is not None
    assert server.scoring == ServerRoute("/v1/models/half_plus_two:predict", 8501)
    assert server.liveness == ServerRoute("/v1/models/half_plus_two", 8501)
    assert server.readiness == ServerRoute("/ready", 8502)
    assert server.model_folder == "/var/azureml-app/azureml-models/half/3"
    assert server.command == ()
    assert found.environment == EnvironmentSpec("", (), image=IMAGE)
    assert (found.code, found.scoring_script) == (None, None)
    assert found.model is not None
    assert found.environment_variables == {"MODEL_NAME": "half_plus_two"}


async def test_it_needs_no_model_and_one_route_does_for_both_probes(
    byoc: ProvisioningStage,
) -> None:
    config = {"readiness_route": HEALTH, "scoring_route": HEALTH}
    await environment(byoc, "lean", image=IMAGE, inference_config=config)
    server = (await program(byoc, environment_id="azureml:lean:1")).server
    assert server is not None
    assert server.liveness == server.readiness == ServerRoute(**HEALTH)  # type: ignore[arg-type]


async def test_the_model_is_where_the_deployment_wants_it(byoc: ProvisioningStage) -> None:
    server = (
        await program(
            byoc,
            model="azureml:half:3",
            environment_id="azureml:server:1",
            model_mount_path="/mnt/models",
        )
    ).server
    assert server is not None
    assert server.model_folder == "/mnt/models"


@pytest.mark.parametrize("path", ["models", "/", "/a/../etc", "/etc/x", "/proc", "/a\nb"])
def test_a_mount_path_that_is_none_has_a_fault(path: str) -> None:
    assert own_servers.mount_path_fault(path) is not None
    assert own_servers.mount_path_fault("/models") is None


async def test_a_mount_path_is_for_servers_and_is_one(byoc: ProvisioningStage) -> None:
    told = await refused(byoc, environment_id="azureml:server:1", model_mount_path="/etc/x")
    assert "absolute path" in told["properties.modelMountPath"]
    code = {"code_id": "azureml:c:1", "scoring_script": "score.py"}
    told = await refused(
        byoc, environment_id="azureml:e:1", code_configuration=code, model_mount_path="/models"
    )
    assert "AZUREML_MODEL_DIR" in told["properties.modelMountPath"]


async def test_code_beside_an_image_is_given_to_it_whatever_its_language(
    byoc: ProvisioningStage,
) -> None:
    await byoc.blobs.write("workspaceblobstore", "scripts/plumber.R", b"#* @post /score\n")
    code = asset.CodeVersionProperties(code_uri=f"{PATHS}/scripts")
    await byoc.registration.put_version(asset.CODES, "r", "1", code, CALLER, ANY)
    found = await program(
        byoc,
        environment_id="azureml:server:1",
        code_configuration={"code_id": "azureml:r:1", "scoring_script": "plumber.R"},
    )
    assert found.server is not None
    assert found.code is not None
    assert (found.code.path, found.scoring_script) == ("scripts", "plumber.R")
    told = await refused(
        byoc,
        environment_id="azureml:server:1",
        code_configuration={"code_id": "azureml:r:1", "scoring_script": "other.R"},
    )
    assert "no file 'other.R'" in told["properties.codeConfiguration.scoringScript"]


async def test_routes_beside_a_script_and_packages_change_nothing(byoc: ProvisioningStage) -> None:
    code = {"code_id": "azureml:c:1", "scoring_script": "score.py"}
    found = await program(byoc, environment_id="azureml:both:1", code_configuration=code)
    assert (found.server, found.scoring_script) == (None, "score.py")
    told = await refused(byoc, environment_id="azureml:both:1")
    assert "an image with an inferenceConfig" in told["properties.codeConfiguration"]


async def test_a_triton_model_needs_nothing_beside_it(byoc: ProvisioningStage) -> None:
    found = await program(byoc, model="azureml:triton:1")
    server = found.server
    assert server is not None
    folder = "/var/azureml-app/azureml-models/triton/1"
    assert server.command == ("tritonserver", f"--model-repository={folder}/models")
    assert server.readiness == ServerRoute("/v2/health/ready", 8000)
    assert server.scoring == ServerRoute("/", 8000)
    assert found.environment == byoc.compute.triton()


async def test_a_triton_model_s_server_may_be_an_environment_s(byoc: ProvisioningStage) -> None:
    found = await program(byoc, model="azureml:triton:1", environment_id="azureml:e:1")
    assert found.environment.python == "3.11"
    assert found.server is not None
    assert found.server.command[0] == "tritonserver"
    own = await program(byoc, model="azureml:triton:1", environment_id="azureml:server:1")
    assert own.server is not None
    assert own.server.command == (), "the image's own"


@pytest.mark.parametrize(
    ("file", "repository"), [("one/2/model.onnx", ""), ("many/resnet/1/m.onnx", "/many")]
)
async def test_a_triton_model_may_be_a_repository_or_one_of_its_models(
    byoc: ProvisioningStage, file: str, repository: str
) -> None:
    await model(byoc, "other", "1", file, model_type="triton_model")
    server = (await program(byoc, model="azureml:other:1")).server
    assert server is not None
    assert server.command[1].endswith(f"azureml-models/other/1{repository}".rstrip("/"))


async def test_what_is_no_repository_is_refused(byoc: ProvisioningStage) -> None:
    await model(byoc, "flat", "1", "flat/model.onnx", model_type="triton_model")
    told = await refused(byoc, model="azureml:flat:1")
    assert "is a model repository" in told["properties.model"]


async def test_where_models_are_processes_an_image_is_refused_by_what_would_run_it(
    byoc: ProvisioningStage,
) -> None:
    byoc.compute.refused = ["Run it in containers."]
    told = await refused(byoc, environment_id="azureml:server:1")
    assert told == {"properties.environmentId": "Run it in containers."}
