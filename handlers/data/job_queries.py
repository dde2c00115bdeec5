"""How lists of jobs may be narrowed by their query."""

from typing import Any

from azurefunctions.extensions.http.fastapi import Request

from domain.errors import Invalid, Unsupported
from domain.jobs.records.job_status import JobStatus

_STATUSES = {status.value.casefold(): status for status in JobStatus}
_NAMES = ", ".join(JobStatus)
_NO_FILTER = ("tag", "properties", "scheduled", "scheduleId", "assetName")

QUERY: dict[str, Any] = {"status": {"type": "string", "enum": list(JobStatus)}}
"""For OpenAPI."""


def status(request: Request) -> JobStatus | None:
    """The status that listed jobs are to have; None: any. Raises Invalid, and Unsupported for
    what Azure ML narrows by and this does not."""
    for name in _NO_FILTER:
        if request.query_params.get(name) not in (None, ""):
            raise Unsupported(
                f"Lists of jobs cannot be narrowed by {name}; they can by status.", target=name
            )
    asked = request.query_params.getlist("status")
    if not asked:
        return None
    if len(asked) > 1 or asked[0].casefold() not in _STATUSES:
        told = "Several statuses" if len(asked) > 1 else f"'{asked[0][:40]}'"
        raise Invalid(f"{told} cannot be asked for; status is one of {_NAMES}.", target="status")
    return _STATUSES[asked[0].casefold()]
