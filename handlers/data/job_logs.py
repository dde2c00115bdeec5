"""What the workers of a job print, from a cursor on. Ours."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.jobs.worker_logs import WorkerLogs
from handlers import log_asking, wire
from handlers.auditing import Kept
from handlers.http import Routes, json_response
from handlers.log_asking import GetLogs


def blueprint(routes: Routes, logs: WorkerLogs) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "POST",
        "jobs/{job}/getLogs",
        action="jobs/getLogs/action",
        summary="What a job's workers printed, or how they came about",
        body=GetLogs,
        may_lack_body=True,
        kept=Kept.NOTHING,
    )
    async def get_job_logs(req: Request) -> Response:
        asked = await wire.read(req, GetLogs, may_lack=True)
        tail = await logs.of(req.path_params["job"], asked.container_type)
        return json_response(await log_asking.answered(asked, tail))

    return bp
