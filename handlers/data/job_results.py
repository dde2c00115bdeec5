"""What jobs have written: files, first rows, one zip, and what failed. These are ours."""

from typing import Any, Final

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

from domain.errors import Invalid
from domain.jobs.results.first_rows import FirstRows
from domain.jobs.results.job_results import FailedInput, JobResults, OutputFile
from handlers.http import Routes, json_response, paging

_ACTION: Final = "jobs/readOutputs/action"
"""Whoever may only read the workspace may read no data in it."""
_OUTPUT: Final = "jobs/{job}/outputs/{output}"


def blueprint(routes: Routes, results: JobResults) -> func.Blueprint:
    bp = func.Blueprint()
    _add_outputs(routes, bp, results)
    _add_failures(routes, bp, results)
    return bp


def _add_outputs(routes: Routes, bp: func.Blueprint, results: JobResults) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{_OUTPUT}/files",
        action=_ACTION,
        summary="List the files of a job's output, with URLs that open each for an hour",
        lists=True,
    )
    async def list_job_output_files(req: Request) -> Response:
        page, names = paging(req), req.path_params
        found, more = await results.files(
            names["job"], names["output"], page.top, page.continuation
        )
        return routes.page(req, [_file(each) for each in found], more)

    @routes.arm(
        bp,
        "GET",
        f"{_OUTPUT}/firstRows",
        action=_ACTION,
        summary="The first rows of a file of a job's output",
        query={"path": {"type": "string"}, "rows": {"type": "integer"}},
    )
    async def first_rows_of_job_output(req: Request) -> Response:
        names = req.path_params
        rows = req.query_params.get("rows", "20")
        if not (rows.isascii() and rows.isdigit() and 1 <= int(rows[:6]) <= 1000):
            raise Invalid("rows is 1 to 1000.", target="rows")
        path = req.query_params.get("path", "")
        found = await results.first_rows(names["job"], names["output"], path, int(rows))
        return json_response(_rows(found))

    @routes.arm(
        bp,
        "GET",
        f"{_OUTPUT}/zip",
        action=_ACTION,
        summary="All files of a job's output as one zip",
    )
    async def zip_job_output(req: Request) -> Response:
        names = req.path_params
        content = await results.zipped(names["job"], names["output"])
        name = f"{names['job']}-{names['output']}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(content, media_type="application/zip", headers=headers)


def _add_failures(routes: Routes, bp: func.Blueprint, results: JobResults) -> None:
    @routes.arm(
        bp,
        "GET",
        "jobs/{job}/failures",
        action=_ACTION,
        summary="The inputs of a job that have no rows, why, and where they are",
        lists=True,
    )
    async def list_job_failures(req: Request) -> Response:
        page = paging(req)
        found, more = await results.failures(req.path_params["job"], page.top, page.continuation)
        return routes.page(req, [_failed(each) for each in found], more)


def _file(file: OutputFile) -> dict[str, Any]:
    blob = file.blob
    return {
        "path": file.path or blob.name.rpartition("/")[2],
        "size": blob.size,
        "lastModified": blob.last_modified.isoformat(),
        "contentType": blob.content_type,
        "url": file.url,
    }


def _rows(found: FirstRows) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "columns": found.columns,
        "rows": found.rows,
        "isWhole": found.is_whole,
        "totalRows": found.total,
        "reason": found.why,
    }


def _failed(each: FailedInput) -> dict[str, Any]:
    told = each.told
    return {
        "file": told.get("file"),
        "miniBatch": told.get("mini_batch"),
        "attempts": told.get("attempts"),
        "error": told.get("error"),
        "logExcerpt": told.get("log_excerpt"),
        "rows": told.get("rows"),
        "url": each.url,
    }
