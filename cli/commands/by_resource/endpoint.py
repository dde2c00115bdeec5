"""`mle endpoint`: the verbs and flags that `az ml endpoint` had in the preview of 2021."""

import argparse
from types import ModuleType
from typing import Any

from cli.commands.by_resource import (
    batch_deployment,
    batch_endpoint,
    online_deployment,
    online_endpoint,
)
from cli.deploying.carrying_out import carry_out
from cli.deploying.plan import plan_of
from cli.deploying.sources import read_sources
from cli.documents.reading import pairs
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.resources import FILE, NAME, NAME_NEEDED, NO_WAIT, SET, WEB, YES, delete, finish
from cli.verbs import Group, Session, Verb, flag

_TYPE = flag("-t", "--type", choices=("online", "batch"), default="online", help="which endpoint")
_COLUMNS = ("name", "provisioning_state", "auth_mode", "scoring_uri")


def _modules(flags: argparse.Namespace) -> tuple[ModuleType, ModuleType]:
    if flags.type == "batch":
        return batch_endpoint, batch_deployment
    return online_endpoint, online_deployment


def _whole(session: Session, flags: argparse.Namespace, name: str) -> dict[str, Any]:
    """An endpoint with its deployments inside, as that preview showed it."""
    endpoints, deployments = _modules(flags)
    where = path(endpoints.COLLECTION, name)
    shown: dict[str, Any] = endpoints.shown(session.arm.get(where))
    inside = [deployments.shown(rest) for rest in session.arm.pages(f"{where}/deployments")]
    return {**shown, "type": flags.type, "deployments": inside}


def create(flags: argparse.Namespace, session: Session) -> Any:
    """Make an endpoint with its deployments, or make them so again."""
    return _applied(flags, session, prune=False)


def update(flags: argparse.Namespace, session: Session) -> Any:
    """The file anew, without the deployments that it leaves out; or a split, or a count."""
    if flags.file:
        return _applied(flags, session, prune=True)
    if not flags.name:
        raise UsageFailed("Which endpoint? `--name`, or `--file`.")
    if flags.traffic:
        split = pairs(flags.traffic, "--traffic", ":=") or {}
        _patch_traffic(session, flags, {name: int(share) for name, share in split.items()})
    if flags.instance_count is not None:
        if not flags.deployment:
            raise UsageFailed("--instance-count is a deployment's: `--deployment` names it.")
        where = path("onlineEndpoints", flags.name, "deployments", flags.deployment)
        operation = session.arm.change("PATCH", where, {"sku": {"capacity": flags.instance_count}})
        finish(session, f"deployment {flags.name}/{flags.deployment}", operation, no_wait=False)
    return _whole(session, flags, flags.name)


def _patch_traffic(session: Session, flags: argparse.Namespace, split: dict[str, int]) -> None:
    where = path(_modules(flags)[0].COLLECTION, flags.name)
    there = session.arm.get(where)["properties"]
    body: dict[str, Any] = {"traffic": {**dict.fromkeys(there.get("traffic") or {}), **split}}
    if flags.type == "batch":
        body = {"defaults": {"deploymentName": max(split, key=lambda name: split[name])}}
    operation = session.arm.change("PATCH", where, {"properties": body})
    finish(session, f"traffic of {flags.name}", operation, no_wait=flags.no_wait)


def _applied(flags: argparse.Namespace, session: Session, *, prune: bool) -> Any:
    if not flags.file:
        raise UsageFailed("`--file` describes the endpoint and its deployments.")
    sources = read_sources([flags.file], flags.set, name=flags.name)
    plan = plan_of(session.arm, sources, prune=prune)
    carry_out(session, plan)
    endpoint = next(source for source in sources if source.kind.endswith("-endpoint"))
    flags.type = endpoint.kind.split("-")[0]
    return _whole(session, flags, endpoint.name)


def show(flags: argparse.Namespace, session: Session) -> Any:
    return _whole(session, flags, flags.name)


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    endpoints, _ = _modules(flags)
    return [endpoints.shown(rest) for rest in session.arm.pages(endpoints.COLLECTION)]


def delete_one(flags: argparse.Namespace, session: Session) -> Any:
    where = path(_modules(flags)[0].COLLECTION, flags.name)
    what = f"endpoint {flags.name}"
    if flags.deployment:
        where = f"{where}/{path('deployments', flags.deployment)}"
        what = f"deployment {flags.name}/{flags.deployment}"
    delete(session, where, what, flags)


def invoke(flags: argparse.Namespace, session: Session) -> Any:
    if flags.type == "online":
        if not flags.request_file:
            raise UsageFailed("`--request-file` has the request's body.")
        flags.deployment_name = flags.deployment
        return online_endpoint.invoke(flags, session)
    source = flags.input_local_path or flags.input_path or flags.input_data
    if not source:
        raise UsageFailed("A job needs input: `--input-path`, `--input-local-path` or -data.")
    if flags.input_datastore:
        store = flags.input_datastore.removeprefix("azureml:")
        source = f"azureml://datastores/{store}/paths/{source}"
    return batch_endpoint.start(session, flags.name, source, flags.deployment)


def get_logs(flags: argparse.Namespace, session: Session) -> Any:
    return online_deployment.logs(
        session, flags.name, flags.deployment, lines=flags.tail, container=flags.container
    )


def get_credentials(flags: argparse.Namespace, session: Session) -> Any:
    return online_endpoint.credentials(session, flags.name)


def list_jobs(flags: argparse.Namespace, session: Session) -> Any:
    return batch_endpoint.list_jobs(flags, session)


_DEPLOYMENT = flag("-d", "--deployment", help="one of its deployments")
_INPUT = (
    flag("--input-data", help="a registered data version"),
    flag("--input-path", help="an address, or a path in --input-datastore"),
    flag("--input-datastore", help="where --input-path is"),
    flag("--input-local-path", help="a file or folder here"),
)

GROUP = Group(
    "endpoints with their deployments, as in 2021",
    {
        "create": Verb(create, "Make what a file describes.", (_TYPE, FILE, NAME, SET, NO_WAIT)),
        "update": Verb(
            update,
            "Make it so again; deployments that the file leaves out go.",
            (
                _TYPE,
                FILE,
                NAME,
                _DEPLOYMENT,
                flag("--deployment-file", help=argparse.SUPPRESS),
                flag("-i", "--instance-count", type=int, help="of --deployment"),
                flag("-r", "--traffic", nargs="+", metavar="NAME:PERCENT", help="the split"),
                SET,
                NO_WAIT,
            ),
        ),
        "show": Verb(show, "Show it with its deployments.", (_TYPE, NAME_NEEDED, WEB), _COLUMNS),
        "list": Verb(list_all, "List endpoints.", (_TYPE,), _COLUMNS),
        "delete": Verb(
            delete_one,
            "Delete it, or one deployment.",
            (_TYPE, NAME_NEEDED, _DEPLOYMENT, YES, NO_WAIT),
        ),
        "invoke": Verb(
            invoke,
            "Ask the model, or start a job.",
            (
                _TYPE,
                NAME_NEEDED,
                _DEPLOYMENT,
                flag("-r", "--request-file", help="the body, of an online endpoint"),
                *_INPUT,
            ),
        ),
        "get-logs": Verb(
            get_logs,
            "The last lines of a deployment's log.",
            (
                _TYPE,
                NAME_NEEDED,
                flag("-d", "--deployment", required=True, help="whose"),
                flag("-l", "--tail", type=int, default=100, help="so many lines"),
                flag(
                    "-c",
                    "--container",
                    default="inference-server",
                    choices=tuple(online_deployment.CONTAINERS),
                ),
            ),
            form="tsv",
        ),
        "get-credentials": Verb(
            get_credentials, "Show its keys, or a token.", (_TYPE, NAME_NEEDED)
        ),
        "regenerate-keys": Verb(
            online_endpoint.regenerate_keys,
            "Replace a key.",
            (
                _TYPE,
                NAME_NEEDED,
                flag("--key-type", default="primary", choices=("primary", "secondary")),
                NO_WAIT,
            ),
        ),
        "list-jobs": Verb(list_jobs, "List a batch endpoint's jobs.", (_TYPE, NAME_NEEDED)),
    },
)
