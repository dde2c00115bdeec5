"""What the verbs of every resource share: flags, waiting, showing, making, changing."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from cli.documents.reading import difference, read
from cli.failures import CommandFailed, UsageFailed
from cli.host.arm import Operation
from cli.host.deployment_steps import DeploymentSteps
from cli.kinds.types import Json, Record
from cli.output.console import confirmed, say
from cli.output.waiting import Waiting
from cli.verbs import Flag, Session, flag

NAME = flag("-n", "--name", help="its name")
NAME_NEEDED = flag("-n", "--name", required=True, help="its name")
FILE = flag("-f", "--file", metavar="FILE", help="its YAML file")
SET = flag("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="a field")
NO_WAIT = flag("--no-wait", action="store_true", help="go on while the host works")
YES = flag("-y", "--yes", action="store_true", help="ask nothing")
WEB = flag("-e", "--web", action="store_true", help=argparse.SUPPRESS)
WEB_LONG = flag("--web", action="store_true", help=argparse.SUPPRESS)
LOCAL = flag("--local", action="store_true", help=argparse.SUPPRESS)
MAX_RESULTS = flag("-r", "--max-results", type=int, metavar="N", help="so many at most")
UPDATES = (
    SET,
    flag("--add", nargs="+", metavar="LIST VALUE", help="more of a list"),
    flag("--remove", nargs="+", metavar="FIELD", help="a field, or LIST INDEX"),
    flag("--force-string", action="store_true", help=argparse.SUPPRESS),
)


def show(record: Record, rest: Json, **more: Any) -> dict[str, Any]:
    """A resource as Azure's command line shows it."""
    group = rest["id"].split("/")[4] if rest.get("id", "").startswith("/subscriptions/") else ""
    return {
        "name": rest["name"],
        **record.shown(rest),
        **{name: value for name, value in more.items() if value is not None},
        "creation_context": creation(rest),
        "resourceGroup": group,
    }


def creation(rest: Json) -> dict[str, Any]:
    """Who made it and who changed it last, and when."""
    told = rest.get("systemData") or {}
    names = {
        "created_at": "createdAt",
        "created_by": "createdBy",
        "created_by_type": "createdByType",
        "last_modified_at": "lastModifiedAt",
        "last_modified_by": "lastModifiedBy",
        "last_modified_by_type": "lastModifiedByType",
    }
    return {name: told[key] for name, key in names.items() if told.get(key) is not None}


def finish(session: Session, what: str, operation: Operation | None, *, no_wait: bool) -> bool:
    """Wait for what the host does, or say how to follow it; whether it is done."""
    if operation is None:
        return True
    for warning in operation.warnings:
        say(f"warning: {what}: {warning}")
    if no_wait:
        say(f"{what}: the host works on it.")
        return False
    try:
        steps = DeploymentSteps(session.arm, operation.resource)
        with Waiting(what) as waiting:

            def seen(status: str) -> None:
                waiting.see(steps.beside(status) if waiting.is_live else status)

            session.arm.wait(operation, waiting=seen)
    except KeyboardInterrupt:
        say(f"\nNo longer waiting for {what}; the host goes on. `mle status` tells how it is.")
        raise
    return True


def make(
    session: Session, where: str, what: str, body: Json, *, new: bool, no_wait: bool
) -> Json | None:
    """PUT a resource and wait; what it is then, or None when it was not waited for. Raises
    CommandFailed when it is `new` and one is there."""
    if new and session.arm.find(where) is not None:
        raise CommandFailed(f"{what} is there already.", hint="`update` changes it.")
    operation = session.arm.change("PUT", where, body)
    return session.arm.get(where) if finish(session, what, operation, no_wait=no_wait) else None


def change(
    session: Session,
    record: Record,
    where: str,
    what: str,
    *,
    flags: argparse.Namespace,
    given: dict[str, Any] | None = None,
    body: Callable[[dict[str, Any]], Json] | None = None,
    shown: Callable[[Json], dict[str, Any]] | None = None,
) -> Json | None:
    """Change what is there to what the file, flags and overrides say; fields that they leave out
    stay. What it is then, or None when it was not waited for. `body` and `shown` are for kinds
    whose REST is not the record's alone."""
    from copy import deepcopy

    body, shown = body or record.sent, shown or record.shown
    rest = session.arm.get(where)
    base = {"name": rest["name"]}
    for name, value in shown(rest).items():
        if name in record.named and not record.named[name].ignored:
            base[name] = value
    fields = read(
        record,
        what,
        file=getattr(flags, "file", None),
        base=deepcopy(base),
        given=given,
        sets=flags.set,
        adds=flags.add,
        removes=flags.remove,
    )
    patch = difference(body(bare(base)), body(prepare(session, fields)))
    if not patch:
        say(f"{what} is so already.")
        return rest
    operation = session.arm.change("PATCH", where, patch)
    done = finish(session, what, operation, no_wait=flags.no_wait)
    return session.arm.get(where) if done else None


def bare(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with references as REST has them."""
    kept = dict(fields)
    for name in ("model", "environment"):
        if isinstance(kept.get(name), str) and kept[name].startswith("azureml:/sub"):
            kept[name] = kept[name].removeprefix("azureml:")
    return kept


def prepare(session: Session, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with every asset that was written in them registered, and named by its id."""
    from cli.assets.registering import registered

    kept = dict(fields)
    for name in ("model", "environment"):
        if kept.get(name) is not None:
            kept[name] = registered(session.arm, name, kept[name])
    if kept.get("data_collector") is not None:
        from cli.kinds.collectors import with_data

        kept["data_collector"] = with_data(
            fields, lambda data: registered(session.arm, "data", data)
        )
    code = kept.get("code_configuration")
    if code is not None:
        kept["code_configuration"] = {**code, "code": registered(session.arm, "code", code["code"])}
    return kept


def delete(session: Session, where: str, what: str, flags: argparse.Namespace) -> None:
    """DELETE a resource after asking, and wait. Raises CommandFailed when nobody agreed."""
    session.arm.get(where)
    if not confirmed(f"Delete {what}?", yes=flags.yes):
        hint = "" if sys.stdin.isatty() else "`--yes` agrees where nobody can be asked."
        raise CommandFailed(f"{what} was not deleted.", hint=hint)
    finish(session, what, session.arm.change("DELETE", where), no_wait=flags.no_wait)


def named(flags: argparse.Namespace, fields: dict[str, Any], what: str) -> str:
    """The name of what is made, from the flags or the file. Raises UsageFailed."""
    name = flags.name or fields.get("name")
    if not name:
        raise UsageFailed(f"The {what} has no name.", hint="`--name` or the file gives it one.")
    return str(name)


def endpoint_named(flags: argparse.Namespace, fields: dict[str, Any]) -> str:
    """The endpoint a deployment belongs to. Raises UsageFailed."""
    name = flags.endpoint_name or fields.get("endpoint_name")
    if not name:
        raise UsageFailed(
            "Of which endpoint?", hint="`--endpoint-name`, or `endpoint_name` in the file."
        )
    return str(name)


ENDPOINT: Flag = flag("-e", "--endpoint-name", help="its endpoint")
ENDPOINT_NEEDED: Flag = flag("-e", "--endpoint-name", required=True, help="its endpoint")
