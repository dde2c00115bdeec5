"""`mle deploy` and `mle diff`: what files describe, made so."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from cli.deploying.carrying_out import carry_out
from cli.deploying.plan import Plan, plan_of
from cli.deploying.sources import read_sources
from cli.deploying.trying import consequences_of
from cli.failures import CommandFailed, Exit
from cli.output.console import coloured, confirmed, say
from cli.verbs import Session, Verb, flag

_SIGNS = {"create": ("+", "green"), "change": ("~", "yellow"), "delete": ("-", "red")}
_LONGEST = 70
NOTHING: Mapping[int, list[str]] = {}


def diff(flags: argparse.Namespace, session: Session) -> Any:
    """Show the plan, and what the host says that comes of it; exit code 0: nothing would change,
    2: something would, 1: it failed."""
    plan = plan_of(session.arm, read_sources(flags.paths, flags.set), prune=flags.prune)
    comes = consequences_of(session.arm, plan)
    if flags.output:
        return _told(plan, comes)
    _show(plan, sys.stdout, comes)
    return Exit.USAGE if plan.changes_anything and flags.detailed_exitcode else None


def deploy(flags: argparse.Namespace, session: Session) -> Any:
    plan = plan_of(session.arm, read_sources(flags.paths, flags.set), prune=flags.prune)
    _show(plan, sys.stderr)
    if not plan.changes_anything:
        return None
    deletes = [item.title for item in plan.items if item.action == "delete"]
    if deletes and not confirmed(f"Delete {', '.join(deletes)}?", yes=flags.yes):
        raise CommandFailed("Nothing was changed.", hint="`--yes` agrees to what is deleted.")
    carry_out(session, plan)
    say("Done.")
    return None


def _show(plan: Plan, stream: Any, comes: Mapping[int, list[str]] = NOTHING) -> None:
    lines = []
    for item in plan.items:
        if item.action == "same":
            continue
        sign, colour = _SIGNS[item.action]
        lines.append(coloured(f"{sign} {item.title}", colour, stream))
        for change in item.changes if item.action != "delete" else ():
            before, after = _short(change.before), _short(change.after)
            arrow = after if item.action == "create" else f"{before} -> {after}"
            lines.append(f"    {change.field.removeprefix('properties.')}: {arrow}")
        lines += [f"  ! {line}" for line in comes.get(id(item), ())]
    if not lines:
        lines.append("Everything is so already.")
    stream.write("\n".join(lines) + "\n")
    stream.flush()


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    if text.startswith("/subscriptions/") and "/workspaces/" in text:
        text = text.split("/workspaces/", 1)[1].partition("/")[2]
    text = text.replace("\n", "\\n")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _told(plan: Plan, comes: Mapping[int, list[str]]) -> list[dict[str, Any]]:
    return [
        {
            "action": item.action,
            "resource": item.title,
            "changes": [
                {"field": change.field, "before": change.before, "after": change.after}
                for change in item.changes
            ],
            "consequences": comes.get(id(item), []),
        }
        for item in plan.items
    ]


_PATHS = flag("paths", nargs="+", metavar="FILE|FOLDER", help="YAML files, or folders of them")
_PRUNE = flag("--prune", action="store_true", help="delete deployments that the files leave out")
_SET = flag("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="a field")
VERBS = {
    "diff": Verb(
        diff,
        "Show what `mle deploy` would change, field by field.",
        (
            _PATHS,
            _PRUNE,
            _SET,
            flag("--detailed-exitcode", action="store_true", help="2 when something would change"),
        ),
    ),
    "deploy": Verb(
        deploy,
        "Make what files describe: assets, endpoints, deployments, then traffic. What is so "
        "already is left alone.",
        (_PATHS, _PRUNE, _SET, flag("-y", "--yes", action="store_true", help="ask nothing")),
    ),
}
