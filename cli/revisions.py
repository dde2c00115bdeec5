"""Earlier revisions of deployments: listing them, and going back to one."""

import argparse
from typing import Any

from cli.collections import Deployments
from cli.failures import CommandFailed
from cli.kinds.types import Json
from cli.resources import ENDPOINT_NEEDED, NAME_NEEDED, NO_WAIT, creation, finish
from cli.verbs import Session, Verb, flag

_COLUMNS = ("revision", "current", "since", "by", "changed")


def revisions(all: Deployments) -> Verb:
    """Lists those of one deployment, with the fields that each changed."""

    def run(flags: argparse.Namespace, session: Session) -> Any:
        where = f"{all.where(flags.endpoint_name, flags.name)}/revisions"
        found = list(session.arm.pages(where))
        before = [*found[1:], None]
        return [_shown(rest, older) for rest, older in zip(found, before, strict=True)]

    needed = (NAME_NEEDED, ENDPOINT_NEEDED)
    return Verb(run, "What it was before, and who changed what.", needed, _COLUMNS, form="table")


def restore(all: Deployments, columns: tuple[str, ...]) -> Verb:
    """Makes a deployment again what it was."""

    def run(flags: argparse.Namespace, session: Session) -> Any:
        where = all.where(flags.endpoint_name, flags.name)
        now = session.arm.get(where)
        kept = {each["name"]: each for each in session.arm.pages(f"{where}/revisions")}
        wanted = kept.get(flags.revision)
        what = f"deployment {flags.endpoint_name}/{flags.name}"
        if wanted is None:
            there = ", ".join(kept)
            raise CommandFailed(
                f"{what} has no revision {flags.revision}.", hint=f"It has {there}."
            )
        body = {
            **{name: now[name] for name in ("location", "kind") if now.get(name)},
            **{name: wanted[name] for name in ("tags", "sku", "properties") if wanted.get(name)},
        }
        operation = session.arm.change("PUT", where, body)
        done = finish(session, what, operation, no_wait=flags.no_wait)
        return all.shown(session.arm.get(where)) if done else None

    flags = (
        NAME_NEEDED,
        ENDPOINT_NEEDED,
        flag("--revision", required=True, metavar="N", help="its number, as `revisions` has it"),
        NO_WAIT,
    )
    return Verb(run, "Make it what it was in an earlier revision.", flags, columns)


def _shown(rest: Json, older: Json | None) -> dict[str, Any]:
    made = creation({"systemData": rest["systemData"]})
    changed = [] if older is None else sorted(_differ(_asked(older), _asked(rest)))
    return {
        "revision": rest["name"],
        "current": rest["isCurrent"],
        "since": made["created_at"],
        "by": made["created_by"],
        "changed": changed,
        "has_succeeded": rest["hasSucceeded"],
        "tags": rest["tags"],
        "sku": rest["sku"],
        "properties": rest["properties"],
    }


def _asked(rest: Json) -> Json:
    return {"sku": rest["sku"], "tags": rest["tags"], **rest["properties"]}


def _differ(one: Json, other: Json, at: str = "") -> list[str]:
    """The fields that are not alike, with dots between names."""
    if one == other:
        return []
    if not isinstance(one, dict) or not isinstance(other, dict):
        return [at]
    return [
        path
        for name in {*one, *other}
        for path in _differ(one.get(name), other.get(name), f"{at}.{name}" if at else name)
    ]
