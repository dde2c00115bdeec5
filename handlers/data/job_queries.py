"""How lists of jobs may be narrowed by their query."""

from typing import Any

from azurefunctions.extensions.http.fastapi import Request

from domain.errors import Invalid, Unsupported
from domain.jobs.batch_jobs import JobChoice
from domain.jobs.records.job_status import JobStatus

_STATUSES = {status.value.casefold(): status for status in JobStatus}
_NAMES = ", ".join(JobStatus)
_VIEWS = {"activeonly": False, "archivedonly": True, "all": None}
_NO_FILTER = ("properties", "scheduled", "scheduleId", "assetName")

QUERY: dict[str, Any] = {
    "status": {"type": "string", "enum": list(JobStatus)},
    "tag": {"type": "string"},
    "listViewType": {"type": "string", "enum": ["ActiveOnly", "ArchivedOnly", "All"]},
}
"""For OpenAPI."""


def choice(
    request: Request, *, endpoint: str | None = None, deployment: str | None = None
) -> JobChoice:
    """Which jobs are asked for. Raises Invalid, and Unsupported for what Azure ML narrows by and
    this does not."""
    for name in _NO_FILTER:
        if request.query_params.get(name) not in (None, ""):
            raise Unsupported(
                f"Lists of jobs cannot be narrowed by {name}; they can by status and tag.",
                target=name,
            )
    return JobChoice(
        endpoint,
        deployment,
        status=_status(request),
        tag=request.query_params.get("tag") or None,
        is_archived=_is_archived(request),
    )


def _is_archived(request: Request) -> bool | None:
    asked = request.query_params.get("listViewType") or "ActiveOnly"
    if asked.casefold() not in _VIEWS:
        raise Invalid(
            f"'{asked[:40]}' is not ActiveOnly, ArchivedOnly or All.", target="listViewType"
        )
    return _VIEWS[asked.casefold()]


def _status(request: Request) -> JobStatus | None:
    asked = request.query_params.getlist("status")
    if not asked:
        return None
    if len(asked) > 1 or asked[0].casefold() not in _STATUSES:
        told = "Several statuses" if len(asked) > 1 else f"'{asked[0][:40]}'"
        raise Invalid(f"{told} cannot be asked for; status is one of {_NAMES}.", target="status")
    return _STATUSES[asked[0].casefold()]
