"""What a batch endpoint and its deployments may be."""

from typing import Any

import pytest

from domain.errors import Conflict, Invalid
from domain.ground.access import trusted
from domain.ground.operation import Operation
from domain.ports import EnvironmentSpec, WorkersWorkload, WorkloadState
from tests.kit.composed import SCOPE
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    batch_deployment,
    batch_endpoint,
    faults,
    opened,
)

KEY = "batch-deployment/scan/one"


async def put_endpoint(stage: ProvisioningStage, **properties: Any) -> Operation:
    wanted = batch_endpoint(**properties)
    return (
        await stage.batch.provisioning.put_endpoint("scan", wanted, trusted(CALLER), ANY)
    ).operation


async def put_deployment(stage: ProvisioningStage, name: str = "one", **changes: Any) -> Operation:
    wanted = batch_deployment(**changes)
    return (
        await stage.batch.provisioning.put_deployment("scan", name, wanted, trusted(CALLER), ANY)
    ).operation


async def scan(stage: ProvisioningStage, *deployments: str) -> None:
    await stage.register_assets()
    await put_endpoint(stage)
    for name in deployments:
        await put_deployment(stage, name)
    await stage.settle()


async def test_a_deployment_is_ready_when_its_environment_and_files_are(
    stage: ProvisioningStage,
) -> None:
    await scan(stage)
    stage.compute.state = WorkloadState.BUILDING
    operation = await put_deployment(stage)
    await stage.turn()
    assert await stage.status(operation) == "InProgress"
    stage.compute.state = WorkloadState.READY
    await stage.settle()
    assert await stage.status(operation) == "Succeeded"
    workload = stage.compute.running[KEY]
    assert isinstance(workload, WorkersWorkload)
    assert workload.worker_count == 0


async def test_a_job_s_workload_has_the_deployment_s_files_and_its_own_processes(
    stage: ProvisioningStage,
) -> None:
    await scan(stage, "one")
    properties = (await stage.batch.documents.deployment("scan", "one")).resource.properties
    workload = await stage.batch.workloads.of_job(properties, key="batch/j", worker_processes=3)
    assert (workload.key, workload.worker_count) == ("batch/j", 3)
    assert workload.revision == stage.compute.running[KEY].revision


async def test_a_change_that_processes_would_not_see_leaves_the_revision(
    stage: ProvisioningStage,
) -> None:
    await scan(stage, "one")
    before = stage.compute.running[KEY].revision
    await put_deployment(stage, mini_batch_size=3, error_threshold=5, description="x")
    await stage.settle()
    assert stage.compute.running[KEY].revision == before
    await put_deployment(stage, environment_variables={"A": "1"})
    await stage.settle()
    assert stage.compute.running[KEY].revision != before


async def test_references_are_resolved_when_they_are_put(stage: ProvisioningStage) -> None:
    await scan(stage)
    await put_deployment(stage, model={"assetId": "azureml:m@latest"})
    model = (await stage.batch.documents.deployment("scan", "one")).resource.properties.model
    assert model is not None
    assert model.asset_id == SCOPE.path("models", "m", "versions", "1")


async def test_azure_ml_s_defaults_hold(stage: ProvisioningStage) -> None:
    await scan(stage, "one")
    properties = (await stage.batch.documents.deployment("scan", "one")).resource.properties
    assert properties.mini_batch_size == 10
    assert properties.error_threshold == -1
    assert properties.retry_settings.max_retries == 3
    assert properties.retry_settings.timeout.total_seconds() == 30
    assert properties.output_file_name == "predictions.csv"
    assert properties.resources.instance_count == 1


async def test_a_batch_endpoint_gives_no_tokens_and_has_a_default_that_is_there(
    stage: ProvisioningStage,
) -> None:
    with pytest.raises(Invalid) as refused:
        await put_endpoint(stage, auth_mode="AMLToken", defaults={"deployment_name": "one"})
    assert set(faults(refused.value)) == {
        "properties.authMode",
        "properties.defaults.deploymentName",
    }


async def test_the_default_deployment_is_not_deleted(stage: ProvisioningStage) -> None:
    await scan(stage, "one", "two")
    await put_endpoint(stage, defaults={"deployment_name": "ONE"})
    await stage.settle()
    with pytest.raises(Conflict, match="is the default") as refused:
        await stage.batch.provisioning.delete_deployment("scan", "one", CALLER, ANY)
    assert refused.value.code == "DeploymentIsDefault"
    assert await stage.batch.provisioning.delete_deployment("scan", "two", CALLER, ANY)
    await put_endpoint(stage)
    await stage.settle()
    assert await stage.batch.provisioning.delete_deployment("scan", "one", CALLER, ANY)


async def test_deleting_the_endpoint_takes_even_the_default(stage: ProvisioningStage) -> None:
    await scan(stage, "one")
    await put_endpoint(stage, defaults={"deployment_name": "one"})
    await stage.settle()
    accepted = await stage.batch.provisioning.delete_endpoint("scan", CALLER, ANY)
    assert accepted is not None
    await stage.settle()
    assert await stage.status(accepted.operation) == "Succeeded"
    assert stage.compute.running == {}


async def test_every_fault_of_a_deployment_is_told_at_once_with_its_target(
    stage: ProvisioningStage,
) -> None:
    await scan(stage)
    with pytest.raises(Invalid) as refused:
        await put_deployment(
            stage,
            model={"reference_type": "DataPath", "path": "x"},
            code_configuration=None,
            environment_id=None,
            output_file_name="a/b.csv",
            compute="azureml:nowhere",
        )
    assert set(faults(refused.value)) == {
        "properties.model.referenceType",
        "properties.codeConfiguration",
        "properties.environmentId",
        "properties.outputFileName",
        "properties.compute",
    }


@pytest.mark.parametrize("name", ["..", "a/b", ".", "a\\b", "a\x00b"])
async def test_an_output_file_is_named_without_tricks(stage: ProvisioningStage, name: str) -> None:
    await scan(stage)
    with pytest.raises(Invalid, match="is not a file name") as refused:
        await put_deployment(stage, output_file_name=name)
    assert refused.value.target == "properties.outputFileName"


async def test_a_restart_finds_batch_deployments_ready(stage: ProvisioningStage) -> None:
    await scan(stage, "one")
    async with opened(stage.folder, stage.clock) as again:
        await again.batch.restorer.restore()
        await again.settle()
        assert list(again.compute.running) == [KEY]


async def test_online_and_batch_endpoints_of_one_name_stay_apart(stage: ProvisioningStage) -> None:
    await stage.register_assets()
    await stage.put_endpoint("scan")
    await put_endpoint(stage)
    await stage.settle()
    await stage.put_deployment("one", "scan")
    await put_deployment(stage, "one")
    await stage.settle()
    assert set(stage.compute.running) == {KEY, "online/scan/one"}
    await stage.online.provisioning.delete_endpoint("scan", CALLER, ANY)
    await stage.settle()
    assert set(stage.compute.running) == {KEY}


MLMODEL = "flavors: {python_function: {loader_module: here, env: conda.yaml}}"
CONDA = "dependencies: [python=3.11, {pip: [mlflow-skinny]}]"
ALONE: dict[str, Any] = {
    "model": "azureml:own:1",
    "code_configuration": None,
    "environment_id": None,
}


async def test_an_mlflow_model_needs_neither_code_nor_environment_nor_a_signature(
    stage: ProvisioningStage,
) -> None:
    await scan(stage)
    await stage.register_mlflow(MLMODEL, CONDA)
    await put_deployment(stage, **ALONE)
    await stage.settle()
    program = stage.compute.running[KEY].program
    assert program.scoring_script is None
    assert program.code == program.model
    assert program.code is not None
    assert program.environment == EnvironmentSpec("3.11", ("mlflow-skinny",))
    stored = (await stage.batch.documents.deployment("scan", "one")).resource.properties
    assert (stored.environment_id, stored.code_configuration) == (None, None)
    # Files go to it one by one, whatever the size says; to a script as many as it says.
    cut, of_script = stored.cut(), batch_deployment().properties.cut()
    assert [cut.begins(1), cut.begins(1)] == [True, True]
    assert [of_script.begins(1), of_script.begins(1)] == [True, False]
    # Either of the two may still be given.
    await put_deployment(stage, **{**ALONE, "environment_id": "azureml:e:1"})
    await stage.settle()
    assert stage.compute.running[KEY].program.environment.requirements == ("joblib",)
    await put_deployment(stage, **ALONE, output_action="SummaryOnly")
    stored = (await stage.batch.documents.deployment("scan", "one")).resource.properties
    assert any("its jobs write nothing" in told.replace("\n", " ") for told in stored.warnings)


async def test_what_brings_no_script_of_its_own_is_refused_without_one(
    stage: ProvisioningStage,
) -> None:
    await scan(stage)
    with pytest.raises(Invalid) as custom:
        await put_deployment(stage, **{**ALONE, "model": "azureml:m:1"})
    found = faults(custom.value)
    assert "A scoring script is needed" in found["properties.codeConfiguration"]
    assert found["properties.environmentId"]
    await stage.register_mlflow("flavors: {sklearn: {}}", CONDA)
    with pytest.raises(Invalid) as no_function:
        await put_deployment(stage, **ALONE)
    assert "no python_function flavor" in faults(no_function.value)["properties.codeConfiguration"]
