"""`mle batch-endpoint`, with the verbs and flags of `az ml batch-endpoint`."""

import argparse
import json
from pathlib import Path
from typing import Any

from cli.assets.job_request import job_input, put_pairs, request
from cli.collections import Named
from cli.commands.by_resource.job import job_shown
from cli.documents.overrides import apply
from cli.documents.reading import read
from cli.documents.yaml_file import read_document
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.endpoints import BATCH_ENDPOINT
from cli.kinds.types import put
from cli.resources import (
    FILE,
    NAME,
    NAME_NEEDED,
    NO_WAIT,
    SET,
    UPDATES,
    WEB,
    YES,
    change,
    make,
    named,
    show,
)
from cli.verbs import Flag, Group, Session, Verb, flag

COLLECTION = "batchEndpoints"
_COLUMNS = ("name", "provisioning_state", "auth_mode", "defaults", "scoring_uri")
_JOB_COLUMNS = ("name", "status", "deployment", "created_at")


def shown(rest: Any) -> dict[str, Any]:
    """A batch endpoint as Azure's command line shows it."""
    return show(BATCH_ENDPOINT, rest)


def create(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(
        BATCH_ENDPOINT, "endpoint", file=flags.file, given={"name": flags.name}, sets=flags.set
    )
    name = named(flags, fields, "endpoint")
    made = make(
        session,
        path(COLLECTION, name),
        f"endpoint {name}",
        BATCH_ENDPOINT.sent(fields),
        new=False,
        no_wait=flags.no_wait,
    )
    return shown(made) if made else None


def update(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(BATCH_ENDPOINT, "endpoint", file=flags.file) if flags.file else {}
    name = named(flags, fields, "endpoint")
    defaults = None
    if flags.defaults:
        defaults = {"deployment_name": flags.defaults.removeprefix("deployment_name=")}
    changed = change(
        session,
        BATCH_ENDPOINT,
        path(COLLECTION, name),
        f"endpoint {name}",
        flags=flags,
        given={"name": name, "defaults": defaults},
    )
    return shown(changed) if changed else None


def list_jobs(flags: argparse.Namespace, session: Session) -> Any:
    return [job_shown(rest) for rest in session.arm.pages(f"{path(COLLECTION, flags.name)}/jobs")]


def invoke(flags: argparse.Namespace, session: Session) -> Any:
    document: dict[str, Any] = read_document(Path(flags.file)).value if flags.file else {}
    for name, value in (
        ("mini_batch_size", flags.mini_batch_size),
        ("experiment_name", flags.experiment_name),
        ("resources.instance_count", flags.instance_count),
        ("inputs.input.path", flags.input),
        ("inputs.input.type", flags.input and (flags.input_type or "uri_folder")),
        ("outputs.score.path", flags.output_path),
    ):
        if value is not None:
            put(document, name, value)
    put_pairs(document, "inputs", flags.inputs)
    put_pairs(document, "outputs", flags.outputs)
    apply(document, flags.set)
    if not document.get("inputs"):
        raise UsageFailed("A job needs input.", hint="`--input` names a file, folder or address.")
    folder = Path(flags.file).parent if flags.file else Path.cwd()
    properties = request(session.arm, document, folder)
    return _started(session, flags.name, properties, flags.deployment_name, flags.job_name)


def start(session: Session, endpoint: str, source: str, deployment: str | None) -> dict[str, Any]:
    """Start a job over a file, a folder or an address. Raises CommandFailed."""
    data = job_input(session.arm, source, "uri_folder", Path.cwd())
    properties = {"InputData": {"input": data}}
    return _started(session, endpoint, properties, deployment, None)


def _started(
    session: Session,
    endpoint: str,
    properties: dict[str, Any],
    deployment: str | None,
    name: str | None,
) -> dict[str, Any]:
    headers = {"azureml-model-deployment": deployment} if deployment else {}
    uri = session.arm.get(path(COLLECTION, endpoint))["properties"]["scoringUri"]
    body: dict[str, Any] = {"properties": properties}
    if name:
        body["name"] = name
    return job_shown(json.loads(session.arm.call("POST", uri, body, headers=headers).read()))


def _pairs(name: str, what: str) -> Flag:
    options = {"action": "extend", "default": [], "metavar": "NAME=PATH"}
    return flag(name, nargs="+", help=what, **options)


_ALL = Named(COLLECTION, "endpoint", shown)
GROUP = Group(
    "jobs over files",
    {
        "create": Verb(
            create, "Make or replace an endpoint.", (FILE, NAME, SET, NO_WAIT), _COLUMNS
        ),
        "update": Verb(
            update,
            "Change an endpoint: what a file or flags say, and nothing else.",
            (
                FILE,
                NAME,
                flag("--defaults", metavar="deployment_name=NAME", help="who gets jobs"),
                *UPDATES,
                NO_WAIT,
            ),
            _COLUMNS,
        ),
        "show": Verb(_ALL.show, "Show an endpoint.", (NAME_NEEDED, WEB), _COLUMNS),
        "list": Verb(_ALL.list, "List endpoints.", (), _COLUMNS),
        "delete": Verb(
            _ALL.delete, "Delete an endpoint with its deployments.", (NAME_NEEDED, YES, NO_WAIT)
        ),
        "invoke": Verb(
            invoke,
            "Start a job.",
            (
                NAME_NEEDED,
                FILE,
                flag("-d", "--deployment-name", help="this one, instead of the default"),
                flag("--input", help="a file, a folder, or where one is"),
                flag("--input-type", help="uri_folder or uri_file"),
                _pairs("--inputs", "by name; NAME.type=uri_file says what it is"),
                _pairs("--outputs", "where results are put, by name"),
                flag("--output-path", help="the folder for results"),
                flag("-m", "--mini-batch-size", type=int, help="files a call"),
                flag("-c", "--instance-count", type=int, help="instances"),
                flag("--job-name", help="the job's name"),
                flag("--experiment-name", help="the experiment it belongs to"),
                SET,
            ),
            _JOB_COLUMNS,
        ),
        "list-jobs": Verb(list_jobs, "List an endpoint's jobs.", (NAME_NEEDED,), _JOB_COLUMNS),
    },
)
