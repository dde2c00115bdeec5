"""`mle init`: a project that deploys as it stands."""

import argparse
import re
from pathlib import Path
from typing import Any

from cli.failures import CommandFailed, UsageFailed
from cli.kinds.endpoints import ENDPOINT_NAME
from cli.output.console import say
from cli.templates.files import TEMPLATES
from cli.verbs import Session, Verb, flag


def init(flags: argparse.Namespace, session: Session) -> Any:
    """Write a template's files into a folder that has none of them."""
    if flags.template not in TEMPLATES:
        raise UsageFailed(f"{flags.template!r}: one of {', '.join(TEMPLATES)}.")
    template = TEMPLATES[flags.template]
    folder = Path(flags.folder)
    there = [name for name in template.files if (folder / name).exists()]
    if there:
        raise CommandFailed(f"{folder} has {', '.join(there)} already; nothing was written.")
    name = flags.name or (folder.resolve().name if flags.folder != "." else flags.template)
    if not re.fullmatch(ENDPOINT_NAME.pattern, name):
        raise UsageFailed(
            f"An endpoint can't be called {name!r}: {ENDPOINT_NAME.rule}",
            hint="`--name NAME` names it otherwise than its folder.",
        )
    for path, content in template.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content.replace("NAME", name), encoding="utf-8")
    say(f"{folder}: {template.what}\n\nNext:")
    for line in template.following:
        say(f"  {line.replace('FOLDER', flags.folder).replace('NAME', name)}")


VERBS = {
    "init": Verb(
        init,
        "Begin a project from a template: what is written deploys as it stands.",
        (
            flag("template", metavar="TEMPLATE", help=f"one of {', '.join(TEMPLATES)}"),
            flag("folder", nargs="?", default=".", help="where (here)"),
            flag("--name", help="the endpoint's name (the folder's)"),
        ),
        epilog="\n".join(f"  {name:<9} {each.what}" for name, each in TEMPLATES.items()),
    )
}
