"""Schedules over a batch endpoint's job."""

from typing import Any

from azure.ai.ml import Input
from azure.ai.ml.entities import (
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    CronTrigger,
    Environment,
    JobSchedule,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    RecurrencePattern,
    RecurrenceTrigger,
)

from outside.official_sdk.kit import CONDA, IMAGE, WORK, client, file, play, refused, same, step
from outside.waiting import until

SCRIPT = "def init(): pass\ndef run(mini_batch): return [str(len(mini_batch))]\n"
JOB: list[Any] = []


@step
def a_job_to_schedule() -> None:
    file("src/score.py", SCRIPT)
    file("input/a.csv", "1")
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="sdk-timed")).result()
    client.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name="main",
            endpoint_name="sdk-timed",
            model=Model(name="sdk-timed", version="1", path=str(file("model.txt", "w"))),
            environment=Environment(
                name="sdk-timed", version="1", image=IMAGE, conda_file=str(file("c.yml", CONDA))
            ),
            code_configuration=CodeConfiguration(code=str(WORK / "src"), scoring_script="score.py"),
            compute="local",
            settings=ModelBatchDeploymentSettings(
                mini_batch_size=1, retry_settings=BatchRetrySettings(max_retries=0, timeout=60)
            ),
        )
    ).result()
    endpoint = client.batch_endpoints.get("sdk-timed")
    endpoint.defaults.deployment_name = "main"
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    made = client.batch_endpoints.invoke(
        endpoint_name="sdk-timed", input=Input(type="uri_folder", path=str(WORK / "input"))
    )
    until(lambda: client.jobs.get(made.name).status == "Completed", made.name)
    JOB.append(client.jobs.get(made.name))


@step
def schedule_of_a_job_by_cron() -> None:
    made = client.schedules.begin_create_or_update(
        JobSchedule(
            name="nightly",
            trigger=CronTrigger(expression="0 3 * * *", time_zone="UTC"),
            create_job=JOB[0],
            display_name="each night",
            description="told",
        )
    ).result()
    same((made.name, made.is_enabled), ("nightly", True))


@step
def schedule_of_a_job_by_its_name() -> None:
    made = client.schedules.begin_create_or_update(
        JobSchedule(
            name="weekly",
            trigger=CronTrigger(expression="0 3 * * mon"),
            create_job=JOB[0].name,
        )
    ).result()
    same((made.name, made.create_job.id.endswith(JOB[0].name)), ("weekly", True))


@step
def schedule_by_recurrence() -> None:
    made = client.schedules.begin_create_or_update(
        JobSchedule(
            name="recurring",
            trigger=RecurrenceTrigger(
                frequency="week",
                interval=1,
                schedule=RecurrencePattern(hours=3, minutes=[0, 30], week_days=["monday"]),
            ),
            create_job=JOB[0],
        )
    ).result()
    found = client.schedules.get("recurring").trigger
    same((type(made.trigger), found.frequency, found.interval), (RecurrenceTrigger, "week", 1))
    days = [day.lower() for day in found.schedule.week_days]
    same((found.schedule.minutes, days), ([0, 30], ["monday"]))


@step
def schedule_get_and_list() -> None:
    found = client.schedules.get("nightly")
    same((found.trigger.expression, found.display_name), ("0 3 * * *", "each night"))
    same({each.name for each in client.schedules.list()} >= {"nightly", "weekly"}, True)


@step
def schedule_disable_and_enable() -> None:
    same(client.schedules.begin_disable("nightly").result().is_enabled, False)
    same(client.schedules.begin_enable("nightly").result().is_enabled, True)


@step
def schedule_trigger() -> None:
    made = client.schedules.trigger("nightly").job_name
    until(lambda: client.jobs.get(made).status == "Completed", made)
    same(client.jobs.get(made).inputs.keys() == JOB[0].inputs.keys(), True)


@step
def schedule_of_a_job_that_is_not_there() -> None:
    wanted = JobSchedule(
        name="other", trigger=CronTrigger(expression="0 3 * * *"), create_job="nobody"
    )
    refused(lambda: client.schedules.begin_create_or_update(wanted).result(), "nobody")


@step
def schedule_delete() -> None:
    for name in ("nightly", "weekly", "recurring"):
        client.schedules.begin_disable(name).result()
        client.schedules.begin_delete(name).result()
    refused(lambda: client.schedules.get("nightly"), "nightly")


if __name__ == "__main__":
    play()
