"""What used a version of an asset and what made it, and what a job ran, read and left: ours."""

from collections.abc import Sequence
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.assets.asset import KINDS, AssetKind
from domain.ground.access import allows
from domain.jobs.records.batch_job import JobInput
from domain.names import PROVIDER, WorkspaceScope
from domain.overview.asset_lineage import AssetLineage, JobLineage, LineageEntry
from handlers.data.job_view import arm_spelling, output_uri, shown_kind
from handlers.http import Routes, caller, json_response, paging


def blueprint(routes: Routes, lineage: AssetLineage) -> func.Blueprint:
    bp = func.Blueprint()
    for kind in KINDS:
        _add_version(routes, bp, lineage, kind)
    _add_job(routes, bp, lineage)
    return bp


def _add_version(
    routes: Routes, bp: func.Blueprint, lineage: AssetLineage, kind: AssetKind
) -> None:
    @routes.arm(
        bp,
        "GET",
        f"{kind.plural}/{{name}}/versions/{{version}}/lineage",
        name=f"list_{kind.noun}_version_lineage",
        action=f"{kind.plural}/versions/read",
        summary=f"What made a {kind.noun} version, and the deployments, jobs, schedules and event "
        "mappings that use it: those that the caller may read. A page may be short, or empty, and "
        "have another after it",
        lists=True,
    )
    async def list_(req: Request) -> Response:
        page, names, who = paging(req), req.path_params, caller(req)
        found, more = await lineage.of_version(
            kind, names["name"], names["version"], page.top, page.continuation
        )
        shown = [_entry(routes, each) for each in found if allows(who, each.read, each.scope)]
        return routes.page(req, shown, more)


def _add_job(routes: Routes, bp: func.Blueprint, lineage: AssetLineage) -> None:
    @routes.arm(
        bp,
        "GET",
        "jobs/{job}/lineage",
        name="get_job_lineage",
        action="jobs/read",
        summary="What a job ran and read, and the versions that were registered of what it wrote",
    )
    async def get(req: Request) -> Response:
        found = await lineage.of_job(req.path_params["job"])
        return json_response(_job(routes, found))


def _entry(routes: Routes, entry: LineageEntry) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": routes.scope.path(*entry.place),
        "name": entry.name,
        "relation": entry.relation.value,
        "kind": entry.kind.value,
        "endpointName": entry.endpoint,
        "state": entry.state,
        "createdAt": entry.created_at.isoformat() if entry.created_at else None,
        "createdBy": entry.created_by,
    }
    if entry.inputs:
        shown["inputs"] = _inputs(routes.scope, entry.inputs)
    return shown


def _job(routes: Routes, lineage: JobLineage) -> dict[str, Any]:
    job, scope = lineage.job, routes.scope
    settings = job.settings
    code = settings.code_configuration
    id = scope.path("jobs", job.name, "lineage")
    return {
        "id": id,
        "name": "lineage",
        "type": f"{PROVIDER}/workspaces/jobs/lineage",
        "properties": {
            "jobId": scope.path("jobs", job.name),
            "deploymentId": scope.path(
                "batchEndpoints", job.endpoint, "deployments", job.deployment
            ),
            "modelId": settings.model.asset_id if settings.model else None,
            "codeId": code.code_id if code else None,
            "environmentId": settings.environment_id,
            "inputs": _inputs(scope, job.inputs),
            "outputs": {"score": {"uri": output_uri(job)}},
            "retryOf": scope.path("jobs", job.retry.job) if job.retry else None,
            "registered": [
                {
                    "id": scope.path(collection, name, "versions", version),
                    "name": name,
                    "version": version,
                }
                for collection, name, version in lineage.registered
            ],
        },
    }


def _inputs(scope: WorkspaceScope, inputs: Sequence[JobInput]) -> dict[str, Any]:
    return {each.name: _input(scope, each) for each in inputs}


def _input(scope: WorkspaceScope, input: JobInput) -> dict[str, Any]:
    shown = {"jobInputType": arm_spelling(shown_kind(input)), "uri": input.shown_uri}
    return {**shown, "assetId": input.data_id(scope)}
