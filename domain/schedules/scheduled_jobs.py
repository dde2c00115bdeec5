"""What a schedule does that is to do a job again."""

from domain.errors import Invalid
from domain.jobs.invoking.job_overrides import over
from domain.jobs.records.batch_job import BatchJob, InputKind
from domain.jobs.records.job_request import JobOverrides, JobProperties, RequestedInput
from domain.schedules.schedule import InvocationDefinition

_KINDS = {
    InputKind.FILE: InputKind.FILE,
    InputKind.FOLDER: InputKind.FOLDER,
    InputKind.WEB_FILE: InputKind.FILE,
}


def definition_of(job: BatchJob) -> InvocationDefinition:
    """The same endpoint, deployment, inputs and overrides; results go to a place of each job's own.
    Raises Invalid for a job whose inputs come once."""
    inputs: dict[str, RequestedInput] = {}
    for each in job.inputs:
        kind = _KINDS.get(each.kind)
        if kind is None:
            raise Invalid(
                f"Job '{job.name}' was started by files that were dropped, and those come once: "
                "name a job over a folder, a file or a data asset."
            )
        inputs[each.name] = RequestedInput(
            job_input_type=kind.value,
            uri=each.uri,
            include=each.include,
            exclude=each.exclude,
            inventory=each.inventory.uri if each.inventory else None,
        )
    overrides = over(job.overrides, JobOverrides())
    return InvocationDefinition(
        endpoint_name=job.endpoint,
        deployment_name=job.deployment,
        properties=JobProperties(
            **{name: getattr(overrides, name) for name in JobOverrides.model_fields},
            input_data=inputs,
            experiment_name=job.experiment_name,
            tags=job.tags,
        ),
    )
