"""`mle batch-deployment`, with the verbs and flags of `az ml batch-deployment`."""

import argparse
from typing import Any

from cli.collections import Deployments
from cli.commands.by_resource.job import COLUMNS as JOB_COLUMNS
from cli.commands.by_resource.job import job_shown
from cli.documents.reading import read
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.deployments import BATCH_DEPLOYMENT
from cli.resources import (
    ENDPOINT,
    ENDPOINT_NEEDED,
    FILE,
    NAME,
    NAME_NEEDED,
    NO_WAIT,
    SET,
    UPDATES,
    YES,
    change,
    endpoint_named,
    finish,
    make,
    named,
    prepare,
    show,
)
from cli.revisions import restore, revisions
from cli.verbs import Group, Session, Verb, flag

COLLECTION = "batchEndpoints"
_COLUMNS = ("name", "provisioning_state", "compute", "mini_batch_size", "endpoint_name")


def shown(rest: Any) -> dict[str, Any]:
    """A batch deployment as Azure's command line shows it."""
    model = (rest["properties"].get("model") or {}).get("assetId")
    return show(
        BATCH_DEPLOYMENT,
        rest,
        endpoint_name=rest["id"].split("/")[-3],
        model=f"azureml:{model}" if model else None,
    )


def body(fields: dict[str, Any]) -> dict[str, Any]:
    """What REST has for the fields, once their assets have ids. Raises UsageFailed."""
    if fields.get("type") == "pipeline" or fields.get("component") or fields.get("job_definition"):
        raise UsageFailed(
            "Pipelines are not deployed here: a batch deployment serves a model.",
            hint="`type: model`, with `model` and, but for MLflow models, `code_configuration`.",
        )
    flat = {**fields.get("settings", {}), **{k: v for k, v in fields.items() if k != "settings"}}
    sent: dict[str, Any] = BATCH_DEPLOYMENT.sent(flat)
    if flat.get("model"):
        reference = {"referenceType": "Id", "assetId": flat["model"]}
        sent.setdefault("properties", {})["model"] = reference
    compute = sent.get("properties", {}).get("compute")
    if isinstance(compute, str):
        sent["properties"]["compute"] = compute.removeprefix("azureml:")
    return sent


_ALL = Deployments(COLLECTION, shown)


def create(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(
        BATCH_DEPLOYMENT,
        "deployment",
        file=flags.file,
        given={"name": flags.name, "endpoint_name": flags.endpoint_name},
        sets=flags.set,
    )
    name, endpoint = named(flags, fields, "deployment"), endpoint_named(flags, fields)
    session.arm.get(path(COLLECTION, endpoint))
    made = make(
        session,
        _ALL.where(endpoint, name),
        f"deployment {endpoint}/{name}",
        body(prepare(session, fields)),
        new=False,
        no_wait=flags.no_wait,
    )
    if flags.set_default:
        set_default(session, endpoint, name)
    return shown(made) if made else None


def set_default(session: Session, endpoint: str, name: str) -> None:
    """Send an endpoint's jobs to this deployment."""
    operation = session.arm.change(
        "PATCH",
        path(COLLECTION, endpoint),
        {"properties": {"defaults": {"deploymentName": name}}},
    )
    finish(session, f"{name} as default of {endpoint}", operation, no_wait=False)


def update(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(BATCH_DEPLOYMENT, "deployment", file=flags.file) if flags.file else {}
    name, endpoint = named(flags, fields, "deployment"), endpoint_named(flags, fields)
    changed = change(
        session,
        BATCH_DEPLOYMENT,
        _ALL.where(endpoint, name),
        f"deployment {endpoint}/{name}",
        flags=flags,
        given={"name": name, "endpoint_name": endpoint},
        body=body,
        shown=shown,
    )
    return shown(changed) if changed else None


def list_jobs(flags: argparse.Namespace, session: Session) -> Any:
    where = f"{path(COLLECTION, flags.endpoint_name)}/jobs"
    found = [job_shown(rest) for rest in session.arm.pages(where)]
    return [job for job in found if job["deployment"] == flags.name]


GROUP = Group(
    "models that score files",
    {
        "create": Verb(
            create,
            "Make or replace a deployment; what it needs is uploaded as needed.",
            (
                FILE,
                NAME,
                ENDPOINT,
                flag("--set-default", action="store_true", help="send it the endpoint's jobs"),
                SET,
                NO_WAIT,
                flag("--skip-script-validation", action="store_true", help=argparse.SUPPRESS),
            ),
            _COLUMNS,
        ),
        "update": Verb(
            update,
            "Change a deployment: what a file or flags say, and nothing else.",
            (FILE, NAME, ENDPOINT, *UPDATES, NO_WAIT),
            _COLUMNS,
        ),
        "show": Verb(_ALL.show, "Show a deployment.", (NAME_NEEDED, ENDPOINT_NEEDED), _COLUMNS),
        "list": Verb(_ALL.list, "List an endpoint's deployments.", (ENDPOINT_NEEDED,), _COLUMNS),
        "delete": Verb(
            _ALL.delete, "Delete a deployment.", (NAME_NEEDED, ENDPOINT_NEEDED, YES, NO_WAIT)
        ),
        "revisions": revisions(_ALL),
        "restore": restore(_ALL, _COLUMNS),
        "list-jobs": Verb(
            list_jobs, "List a deployment's jobs.", (NAME_NEEDED, ENDPOINT_NEEDED), JOB_COLUMNS
        ),
    },
)
