"""The nodes of a compute: those that jobs have of it now."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.computes.compute_targets import ComputeTargets
from domain.jobs.batch_jobs import BatchJobs
from domain.jobs.records.batch_job import BatchJob
from handlers.auditing import Kept
from handlers.http import Routes, json_response


def blueprint(routes: Routes, computes: ComputeTargets, jobs: BatchJobs) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "POST",
        "computes/{name}/listNodes",
        action="computes/read",
        summary="List: the nodes that jobs have of a compute now",
        kept=Kept.NOTHING,
    )
    async def list_compute_nodes(req: Request) -> Response:
        name = (await computes.get(req.path_params["name"])).resource.name.casefold()
        here = [
            job
            for job in await jobs.running()
            if computes.name_of(job.settings.compute).casefold() == name
        ]
        return json_response({"nodes": [node for job in here for node in _nodes(job)]})

    return bp


def _nodes(job: BatchJob) -> list[dict[str, Any]]:
    """They have no address of their own: work is brought to them."""
    return [
        {"nodeId": f"{job.name}-{number}", "nodeState": "running", "runId": job.name}
        for number in range(job.settings.resources.instance_count)
    ]
