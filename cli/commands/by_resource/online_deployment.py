"""`mle online-deployment`, with the verbs and flags of `az ml online-deployment`."""

import argparse
from typing import Any

from cli.collections import Deployments
from cli.documents.reading import read
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.deployments import ONLINE_DEPLOYMENT
from cli.output.console import say
from cli.resources import (
    ENDPOINT,
    ENDPOINT_NEEDED,
    FILE,
    LOCAL,
    NAME,
    NAME_NEEDED,
    NO_WAIT,
    SET,
    UPDATES,
    WEB_LONG,
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

COLLECTION = "onlineEndpoints"
CONTAINERS = {"inference-server": "InferenceServer", "storage-initializer": "StorageInitializer"}
_COLUMNS = ("name", "provisioning_state", "instance_type", "instance_count", "endpoint_name")


def shown(rest: Any) -> dict[str, Any]:
    """An online deployment as Azure's command line shows it."""
    return show(ONLINE_DEPLOYMENT, rest, endpoint_name=rest["id"].split("/")[-3])


_ALL = Deployments(COLLECTION, shown)


def create(flags: argparse.Namespace, session: Session) -> Any:
    if flags.all_traffic and flags.no_wait:
        raise UsageFailed("--all-traffic waits for the deployment; --no-wait does not.")
    fields = read(
        ONLINE_DEPLOYMENT,
        "deployment",
        file=flags.file,
        given={"name": flags.name, "endpoint_name": flags.endpoint_name},
        sets=flags.set,
    )
    name, endpoint = named(flags, fields, "deployment"), endpoint_named(flags, fields)
    session.arm.get(path(COLLECTION, endpoint))
    prepared = prepare(session, fields)
    made = make(
        session,
        _ALL.where(endpoint, name),
        f"deployment {endpoint}/{name}",
        ONLINE_DEPLOYMENT.sent(prepared),
        new=True,
        no_wait=flags.no_wait,
    )
    if flags.all_traffic or (flags.local and not flags.no_wait and _has_none(session, endpoint)):
        give_all_traffic(session, endpoint, name)
    return shown(made) if made else None


def _has_none(session: Session, endpoint: str) -> bool:
    """Whether nothing answers there: a local deployment of Azure's does without being told."""
    return not any(session.arm.get(path(COLLECTION, endpoint))["properties"]["traffic"].values())


def give_all_traffic(session: Session, endpoint: str, name: str) -> None:
    """Send all of an endpoint's traffic to one deployment."""
    there = session.arm.get(path(COLLECTION, endpoint))["properties"]["traffic"]
    traffic = {**dict.fromkeys(there, None), name: 100}
    operation = session.arm.change(
        "PATCH", path(COLLECTION, endpoint), {"properties": {"traffic": traffic}}
    )
    finish(session, f"all traffic to {endpoint}/{name}", operation, no_wait=False)


def update(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(ONLINE_DEPLOYMENT, "deployment", file=flags.file) if flags.file else {}
    name, endpoint = named(flags, fields, "deployment"), endpoint_named(flags, fields)
    changed = change(
        session,
        ONLINE_DEPLOYMENT,
        _ALL.where(endpoint, name),
        f"deployment {endpoint}/{name}",
        flags=flags,
        given={"name": name, "endpoint_name": endpoint},
    )
    return shown(changed) if changed else None


def logs(session: Session, endpoint: str, name: str, *, lines: int, container: str) -> str:
    """The last lines of a deployment's log."""
    where = f"{_ALL.where(endpoint, name)}/getLogs"
    answer = session.arm.post(where, {"containerType": CONTAINERS[container], "tail": lines})
    return answer if isinstance(answer, str) else str(answer["content"])


def get_logs(flags: argparse.Namespace, session: Session) -> Any:
    content = logs(
        session, flags.endpoint_name, flags.name, lines=flags.lines, container=flags.container
    )
    if not content:
        say("The log is empty.")
    return content


GROUP = Group(
    "models that answer requests",
    {
        "create": Verb(
            create,
            "Make a deployment; its model, code and environment are uploaded as needed.",
            (
                FILE,
                NAME,
                ENDPOINT,
                flag("--all-traffic", action="store_true", help="give it all once it is up"),
                SET,
                NO_WAIT,
                WEB_LONG,
                LOCAL,
                *(
                    flag(name, action="store_true", help=argparse.SUPPRESS)
                    for name in (
                        "--skip-script-validation",
                        "--package-model",
                        "--local-enable-gpu",
                        "--vscode-debug",
                    )
                ),
            ),
            _COLUMNS,
        ),
        "update": Verb(
            update,
            "Change a deployment: what a file or flags say, and nothing else.",
            (
                FILE,
                NAME,
                ENDPOINT,
                *UPDATES,
                NO_WAIT,
                WEB_LONG,
                LOCAL,
                flag("--skip-script-validation", action="store_true", help=argparse.SUPPRESS),
            ),
            _COLUMNS,
        ),
        "show": Verb(
            _ALL.show,
            "Show a deployment.",
            (NAME_NEEDED, ENDPOINT_NEEDED, WEB_LONG, LOCAL),
            _COLUMNS,
        ),
        "list": Verb(
            _ALL.list, "List an endpoint's deployments.", (ENDPOINT_NEEDED, LOCAL), _COLUMNS
        ),
        "delete": Verb(
            _ALL.delete,
            "Delete a deployment.",
            (NAME_NEEDED, ENDPOINT_NEEDED, YES, NO_WAIT, LOCAL),
        ),
        "revisions": revisions(_ALL),
        "restore": restore(_ALL, _COLUMNS),
        "get-logs": Verb(
            get_logs,
            "The last lines of its log.",
            (
                NAME_NEEDED,
                ENDPOINT_NEEDED,
                flag("-l", "--lines", type=int, default=5000, help="so many (5000)"),
                flag(
                    "-c",
                    "--container",
                    default="inference-server",
                    choices=tuple(CONTAINERS),
                    help="which log",
                ),
                LOCAL,
            ),
            form="tsv",
        ),
    },
)
