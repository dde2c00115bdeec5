"""A deployment's settings with those of one job over them."""

from typing import Any

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.batch.mini_batch_cut import default_size, size_fault
from domain.jobs.records.job_request import JobOverrides
from domain.ports import Json


def overridden(
    deployment: BatchDeploymentProperties, asked: JobOverrides
) -> BatchDeploymentProperties:
    """The deployment's settings with the job's over them."""
    changes: dict[str, Any] = {
        name: value
        for name in (
            "mini_batch_by",
            "mini_batch_size",
            "max_concurrency_per_instance",
            "error_threshold",
            "output_file_name",
            "output_format",
            "provenance_columns",
            "bisect_failures",
            "logging_level",
        )
        if (value := getattr(asked, name)) is not None
    }
    by = asked.mini_batch_by
    if by is not None and by is not deployment.mini_batch_by and asked.mini_batch_size is None:
        # The deployment's size counts something else.
        changes["mini_batch_size"] = default_size(by)
    if asked.compute and asked.compute.instance_count is not None:
        changes["resources"] = deployment.resources.but(instance_count=asked.compute.instance_count)
    if asked.retry_settings:
        given = {k: v for k, v in dict(asked.retry_settings).items() if v is not None}
        changes["retry_settings"] = deployment.retry_settings.but(**given)
    if asked.environment_variables:
        changes["environment_variables"] = {
            **deployment.environment_variables,
            **asked.environment_variables,
        }
    return deployment.but(**changes)


def mini_batch_size_fault(deployment: BatchDeploymentProperties, asked: JobOverrides) -> str | None:
    """Why the job's size does not go with what it counts, or None."""
    if asked.mini_batch_size is None:
        return None
    return size_fault(asked.mini_batch_by or deployment.mini_batch_by, asked.mini_batch_size)


def said(overrides: JobOverrides) -> Json:
    """What a request says, and nothing of what it leaves out."""
    return overrides.model_dump(mode="json", exclude_defaults=True)


def over(first: Json, later: JobOverrides) -> JobOverrides:
    """Both, `first` as `said` has it: where they speak of the same, `later` holds."""
    both = _merged(first, said(later))
    if later.mini_batch_by is not None and later.mini_batch_size is None:
        # The size that was said counts something else.
        both.pop("mini_batch_size", None)
    return JobOverrides.model_validate(both)


def _merged(first: Any, later: Any) -> Any:
    if not isinstance(first, dict) or not isinstance(later, dict):
        return later
    return {**first, **{name: _merged(first.get(name), value) for name, value in later.items()}}
