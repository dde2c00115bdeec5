"""`mle export`: an endpoint as files."""

import argparse
from pathlib import Path
from typing import Any

from cli.deploying.exporting import export
from cli.output.console import say
from cli.verbs import Session, Verb, flag


def run(flags: argparse.Namespace, session: Session) -> Any:
    folder = Path(flags.folder or flags.endpoint)
    export(session, flags.endpoint, folder)
    say(f"{folder}: `mle deploy {folder}` makes it, on whichever host. Keys are not in it.")


VERBS = {
    "export": Verb(
        run,
        "Write an endpoint with its deployments as files that `mle deploy` takes: the YAML, and "
        "models, code and environments beside it.",
        (
            flag("endpoint", metavar="ENDPOINT", help="online or batch"),
            flag("folder", nargs="?", metavar="FOLDER", help="where (a folder of its name)"),
        ),
    )
}
