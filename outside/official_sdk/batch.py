"""Batch endpoints, deployments, invocations and jobs, from their making to their end."""

import contextlib
import io
import uuid

from azure.ai.ml import Input, Output, load_batch_endpoint
from azure.ai.ml.entities import (
    BatchDeployment,
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Data,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    ResourceConfiguration,
)
from azure.ai.ml.entities._load_functions import load_model_batch_deployment

from outside.official_sdk.kit import (
    CONDA,
    IMAGE,
    WORK,
    client,
    file,
    play,
    refused,
    same,
    step,
)
from outside.waiting import until

SCRIPT = """
import os


def init():
    print("init says hello")


def run(mini_batch):
    print("scoring", len(mini_batch))
    return [os.path.basename(path) + "," + open(path).read().strip() for path in mini_batch]
"""
ENDED = ("Completed", "Failed", "Canceled")
JOBS: dict[str, str] = {}
"""By what they are for."""

file("input/a.csv", "1")
file("input/b.csv", "2")
file("conda.yml", CONDA)
file("model.txt", "weights")
file("src/score.py", SCRIPT)


def ended(name: str) -> str:
    """The status that a job ends in."""
    return until(lambda: (s := client.jobs.get(name).status) in ENDED and s, name)


def invoke(what: str, **more: object) -> str:
    job = client.batch_endpoints.invoke(endpoint_name="sdk-batch", **more)
    JOBS[what] = job.name
    return job.name


def deployed(name: str, script: str, timeout: int) -> None:
    """A deployment of the assets that are there, whose mini-batches are tried once."""
    folder = file(f"{name}/score.py", script).parent
    client.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name=name,
            endpoint_name="sdk-batch",
            model="azureml:sdk-batch-model:1",
            environment="azureml:sdk-batch-env:1",
            code_configuration=CodeConfiguration(code=str(folder), scoring_script="score.py"),
            compute="local",
            settings=ModelBatchDeploymentSettings(
                mini_batch_size=1,
                retry_settings=BatchRetrySettings(max_retries=0, timeout=timeout),
            ),
        )
    ).result()


@step
def endpoint_create() -> None:
    made = client.batch_endpoints.begin_create_or_update(
        BatchEndpoint(name="sdk-batch", description="made by the SDK", tags={"a": "1"})
    ).result()
    same((made.name, made.auth_mode), ("sdk-batch", "aad_token"))


@step
def endpoint_by_yaml() -> None:
    yaml = file("endpoint.yml", "name: batch-yaml\nauth_mode: aad_token\n")
    made = client.batch_endpoints.begin_create_or_update(load_batch_endpoint(yaml)).result()
    same(made.name, "batch-yaml")


@step
def endpoint_get_and_list() -> None:
    found = client.batch_endpoints.get("sdk-batch")
    same((found.description, found.tags), ("made by the SDK", {"a": "1"}))
    same(found.scoring_uri.endswith("/jobs"), True)
    same({each.name for each in client.batch_endpoints.list()} >= {"sdk-batch"}, True)


@step
def deployment_create() -> None:
    made = client.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name="main",
            endpoint_name="sdk-batch",
            model=Model(name="sdk-batch-model", version="1", path=str(WORK / "model.txt")),
            environment=Environment(
                name="sdk-batch-env",
                version="1",
                image=IMAGE,
                conda_file=str(WORK / "conda.yml"),
            ),
            code_configuration=CodeConfiguration(code=str(WORK / "src"), scoring_script="score.py"),
            compute="local",
            resources=ResourceConfiguration(instance_count=1),
            settings=ModelBatchDeploymentSettings(
                mini_batch_size=1,
                max_concurrency_per_instance=1,
                output_action="append_row",
                output_file_name="rows.csv",
                retry_settings=BatchRetrySettings(max_retries=1, timeout=300),
                logging_level="info",
                error_threshold=-1,
            ),
        )
    ).result()
    same(made.name, "main")


@step
def deployment_of_the_form_before() -> None:
    made = client.batch_deployments.begin_create_or_update(
        BatchDeployment(
            name="second",
            endpoint_name="sdk-batch",
            model="azureml:sdk-batch-model:1",
            environment="azureml:sdk-batch-env:1",
            code_configuration=CodeConfiguration(code=str(WORK / "src"), scoring_script="score.py"),
            compute="azureml:local",
            instance_count=1,
            mini_batch_size=2,
            max_concurrency_per_instance=1,
            output_action="summary_only",
        )
    ).result()
    same(made.name, "second")


@step
def deployment_by_yaml() -> None:
    yaml = file(
        "deployment.yml",
        "name: third\nendpoint_name: sdk-batch\ntype: model\n"
        "model: azureml:sdk-batch-model@latest\n"
        "code_configuration:\n  code: src\n  scoring_script: score.py\n"
        "environment: azureml:sdk-batch-env:1\ncompute: azureml:local\n"
        "resources:\n  instance_count: 1\n"
        "settings:\n  mini_batch_size: 1\n  max_concurrency_per_instance: 1\n"
        "  output_action: append_row\n  output_file_name: p.csv\n"
        "  retry_settings:\n    max_retries: 0\n    timeout: 60\n",
    )
    made = client.batch_deployments.begin_create_or_update(
        load_model_batch_deployment(yaml)
    ).result()
    same(made.name, "third")


@step
def deployment_get_and_list() -> None:
    found = client.batch_deployments.get("main", "sdk-batch")
    same((found.mini_batch_size, found.output_file_name), (1, "rows.csv"))
    same(
        {each.name for each in client.batch_deployments.list("sdk-batch")},
        {"main", "second", "third"},
    )


@step
def default_deployment() -> None:
    found = client.batch_endpoints.get("sdk-batch")
    found.defaults.deployment_name = "main"
    made = client.batch_endpoints.begin_create_or_update(found).result()
    same(made.defaults.deployment_name, "main")


@step
def invoke_a_local_folder() -> None:
    name = invoke("folder", input=Input(type="uri_folder", path=str(WORK / "input")))
    same(ended(name), "Completed")


@step
def invoke_a_local_file() -> None:
    name = invoke("file", input=Input(type="uri_file", path=str(WORK / "input/a.csv")))
    same(ended(name), "Completed")


@step
def invoke_a_data_asset() -> None:
    client.data.create_or_update(
        Data(name="sdk-input", version="1", path=str(WORK / "input"), type="uri_folder")
    )
    name = invoke("asset", input=Input(type="uri_folder", path="azureml:sdk-input:1"))
    same(ended(name), "Completed")
    name = invoke("latest", input=Input(type="uri_folder", path="azureml:sdk-input@latest"))
    same(ended(name), "Completed")


@step
def invoke_with_named_inputs_and_outputs() -> None:
    inputs = {"files": Input(type="uri_folder", path="azureml:sdk-input:1")}
    path = f"azureml://datastores/workspaceblobstore/paths/mine/{uuid.uuid4().hex}.csv"
    name = invoke("named", inputs=inputs, outputs={"score": Output(type="uri_file", path=path)})
    same(ended(name), "Completed")
    same(client.jobs.get(name).outputs["score"].path.endswith(path.split("/paths/")[1]), True)


@step
def invoke_with_a_literal_beside() -> None:
    inputs = {
        "files": Input(type="uri_folder", path="azureml:sdk-input:1"),
        "threshold": Input(type="number", default=0.5),
    }
    refused(lambda: invoke("literal", inputs=inputs), "threshold")


@step
def invoke_with_overrides() -> None:
    name = invoke(
        "overridden",
        input=Input(type="uri_folder", path="azureml:sdk-input:1"),
        params_override=[
            {"mini_batch_size": 2},
            {"compute.instance_count": 1},
            {"output_file_name": "other.csv"},
            {"retry_settings.max_retries": 0},
        ],
        experiment_name="mine",
        job_name=f"job-{uuid.uuid4().hex}",
    )
    same(ended(name), "Completed")
    same(client.jobs.get(name).experiment_name, "mine")


@step
def invoke_a_deployment() -> None:
    name = invoke(
        "second",
        deployment_name="second",
        input=Input(type="uri_folder", path="azureml:sdk-input:1"),
    )
    same(ended(name), "Completed")


@step
def invoke_a_deployment_that_is_not_there() -> None:
    there = Input(type="uri_folder", path="azureml:sdk-input:1")
    refused(lambda: invoke("nobody", deployment_name="nobody", input=there), "nobody")


@step
def jobs_of_the_endpoint() -> None:
    found = {each.name for each in client.batch_endpoints.list_jobs("sdk-batch")}
    same(found >= {JOBS["folder"], JOBS["second"]}, True)


@step
def jobs_of_a_deployment() -> None:
    found = {each.name for each in client.batch_deployments.list_jobs("sdk-batch", name="main")}
    same((JOBS["folder"] in found, JOBS["second"] in found), (True, False))


@step
def job_get() -> None:
    found = client.jobs.get(JOBS["folder"])
    same((found.name, found.status), (JOBS["folder"], "Completed"))
    same(found.outputs["score"].path.endswith("rows.csv"), True)


@step
def job_list() -> None:
    found = {each.name for each in client.jobs.list()}
    same(found >= {JOBS["folder"], JOBS["second"]}, True)


@step
def job_list_by_tag() -> None:
    same(list(client.jobs.list(tag="nobody-has-this")), [])


@step
def job_stream() -> None:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        client.jobs.stream(JOBS["folder"])
    same("Execution Summary" in told.getvalue(), True)


@step
def job_stream_while_it_runs() -> None:
    told = io.StringIO()
    name = invoke("streamed", input=Input(type="uri_folder", path="azureml:sdk-input:1"))
    with contextlib.redirect_stdout(told):
        client.jobs.stream(name)
    same("Execution Summary" in told.getvalue(), True)
    same(client.jobs.get(name).status, "Completed")


@step
def job_stream_of_one_that_fails() -> None:
    script = "def init(): pass\ndef run(mini_batch): raise ValueError('no good')\n"
    deployed("bad", script, timeout=60)
    name = invoke(
        "bad", deployment_name="bad", input=Input(type="uri_folder", path="azureml:sdk-input:1")
    )
    with contextlib.redirect_stdout(io.StringIO()):
        refused(lambda: client.jobs.stream(name), "no good")


@step
def job_download() -> None:
    client.jobs.download(JOBS["folder"], download_path=str(WORK / "down"))
    found = {each.name for each in (WORK / "down").rglob("*") if each.is_file()}
    same("job_progress_overview.txt" in found, True)


@step
def job_download_of_one_output() -> None:
    client.jobs.download(JOBS["folder"], download_path=str(WORK / "one"), output_name="score")
    [rows] = (WORK / "one").rglob("rows.csv")
    same(("a.csv,1" in rows.read_text(), "b.csv,2" in rows.read_text()), (True, True))


@step
def job_download_of_all() -> None:
    client.jobs.download(JOBS["second"], download_path=str(WORK / "all"), all=True)
    same(len([each for each in (WORK / "all").rglob("*") if each.is_file()]) > 0, True)


@step
def job_archive_and_restore() -> None:
    client.jobs.archive(JOBS["folder"])
    same(JOBS["folder"] in {each.name for each in client.jobs.list()}, False)
    archived = client.jobs.list(list_view_type="ArchivedOnly")
    same([each.name for each in archived], [JOBS["folder"]])
    client.jobs.restore(JOBS["folder"])
    same(JOBS["folder"] in {each.name for each in client.jobs.list()}, True)


@step
def job_update() -> None:
    made = client.jobs.update(
        JOBS["folder"],
        display_name="shown",
        description="told",
        tags={"b": "2"},
        properties={"p": "q"},
    )
    same((made.display_name, made.description), ("shown", "told"))
    same((made.tags["b"], made.properties["p"]), ("2", "q"))
    same(JOBS["folder"] in {each.name for each in client.jobs.list(tag="b")}, True)
    same(JOBS["second"] in {each.name for each in client.jobs.list(tag="b=2")}, False)


@step
def job_changed_and_put_back() -> None:
    found = client.jobs.get(JOBS["file"])
    found.tags["c"] = "3"
    client.jobs.create_or_update(found)
    same(client.jobs.get(JOBS["file"]).tags["c"], "3")


@step
def job_services() -> None:
    client.jobs.show_services(JOBS["folder"])


@step
def job_children() -> None:
    list(client.jobs.list(parent_job_name=JOBS["folder"]))


@step
def job_cancel() -> None:
    script = "import time\ndef init(): pass\ndef run(mini_batch):\n    time.sleep(600)\n"
    deployed("slow", script, timeout=3600)
    name = invoke(
        "slow", deployment_name="slow", input=Input(type="uri_folder", path="azureml:sdk-input:1")
    )
    until(lambda: client.jobs.get(name).status == "Running", "a job that runs")

    def nodes() -> set[str | None]:
        return {vars(each).get("runId") for each in client.compute.list_nodes("local")}

    until(lambda: name in nodes(), "the node that runs it")
    client.jobs.begin_cancel(name).result()
    same(ended(name), "Canceled")


@step
def job_delete() -> None:
    client.jobs.begin_delete(JOBS["slow"]).result()
    refused(lambda: client.jobs.get(JOBS["slow"]), JOBS["slow"])


@step
def job_that_is_not_there() -> None:
    refused(lambda: client.jobs.get("nobody"), "nobody")
    refused(lambda: client.jobs.stream("nobody"), "nobody")
    refused(lambda: client.jobs.download("nobody"), "nobody")


@step
def command_job_is_refused_and_says_why() -> None:
    from azure.ai.ml import command

    job = command(command="echo hello", environment="azureml:sdk-batch-env:1", compute="local")
    refused(lambda: client.jobs.create_or_update(job), "batch endpoint")


@step
def model_of_a_jobs_output() -> None:
    path = f"azureml://jobs/{JOBS['folder']}/outputs/score/paths/"
    made = client.models.create_or_update(
        Model(name="of-job", version="1", path=path, type="custom_model")
    )
    same(made.name, "of-job")
    client.models.download("of-job", "1", download_path=str(WORK / "of-job"))
    same(len(list((WORK / "of-job").rglob("rows.csv"))), 1)


@step
def deployment_delete() -> None:
    client.batch_deployments.begin_delete("third", "sdk-batch").result()
    refused(lambda: client.batch_deployments.get("third", "sdk-batch"), "third")


@step
def endpoint_delete() -> None:
    for name in ("sdk-batch", "batch-yaml"):
        client.batch_endpoints.begin_delete(name).result()
    refused(lambda: client.batch_endpoints.get("sdk-batch"), "sdk-batch")


if __name__ == "__main__":
    play()
