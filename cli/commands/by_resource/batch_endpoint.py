"""`mle batch-endpoint`, with the verbs and flags of `az ml batch-endpoint`."""

import argparse
import json
from pathlib import Path
from typing import Any

from cli.assets.content import content_of
from cli.collections import Named
from cli.commands.by_resource.job import job_shown
from cli.documents.reading import read
from cli.documents.yaml_file import read_document
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.assets import REMOTE
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
from cli.verbs import Group, Session, Verb, flag

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
    properties: dict[str, Any] = _of_file(session, flags.file) if flags.file else {}
    for name, value in (
        ("miniBatchSize", flags.mini_batch_size),
        ("experimentName", flags.experiment_name),
    ):
        if value is not None:
            properties[name] = value
    if flags.instance_count is not None:
        put(properties, "resources.instanceCount", flags.instance_count)
    if flags.input:
        kind = flags.input_type or "uri_folder"
        properties["InputData"] = {"input": _input(session, flags.input, kind)}
    if flags.inputs:
        properties["InputData"] = _inputs(session, flags.inputs)
    if not properties.get("InputData"):
        raise UsageFailed("A job needs input.", hint="`--input` names a file, folder or address.")
    for text in flags.set:
        name, _, said = text.partition("=")
        put(properties, name, said)
    if flags.output_path:
        output = {"JobOutputType": "UriFolder", "Uri": flags.output_path}
        properties["OutputData"] = {"score": output}
    return _started(session, flags.name, properties, flags.deployment_name, flags.job_name)


def start(session: Session, endpoint: str, source: str, deployment: str | None) -> dict[str, Any]:
    """Start a job over a file, a folder or an address. Raises CommandFailed."""
    properties = {"InputData": {"input": _input(session, source, "uri_folder")}}
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


def _of_file(session: Session, file: str) -> dict[str, Any]:
    document = read_document(Path(file)).value
    properties: dict[str, Any] = {}
    for name, value in document.get("inputs", {}).items():
        properties.setdefault("InputData", {})[name] = _input(
            session, value["path"], value.get("type", "uri_folder"), Path(file).parent
        )
    return properties


def _inputs(session: Session, texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        found[name.split(".")[0]] = _input(session, value, "uri_folder")
    return found


def _input(session: Session, value: str, kind: str, folder: Path | None = None) -> dict[str, Any]:
    """An input of a job: what is local is put into the workspace's store, under its content's
    hash, so that it is there once."""
    types = {"uri_folder": "UriFolder", "uri_file": "UriFile"}
    if kind not in types:
        raise UsageFailed(f"{kind!r} is no type of input: {', '.join(types)}.")
    if REMOTE.match(value) or value.startswith(("azureml:", "/subscriptions/")):
        return {"JobInputType": types[kind], "Uri": value}
    from cli.assets.stores import put_content

    source = (folder or Path.cwd()) / value
    if not source.exists():
        raise UsageFailed(f"{value}: there is no such file or folder.")
    uri = put_content(session.arm, "workspaceblobstore", content_of(source))
    return {"JobInputType": "UriFile" if source.is_file() else "UriFolder", "Uri": uri}


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
                flag("--inputs", nargs="+", metavar="NAME=PATH", help="several, by name"),
                flag("--outputs", nargs="+", help=argparse.SUPPRESS),
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
