"""`mle jobs`: what people do with jobs."""

import argparse
from pathlib import Path
from typing import Any

from cli.commands.by_resource.job import COLUMNS, download, ended, job_shown, list_all, watch
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.output.console import say
from cli.resources import MAX_RESULTS
from cli.verbs import Session, Verb, flag


def jobs(flags: argparse.Namespace, session: Session) -> Any:
    if flags.action == "list":
        return list_all(flags, session)
    if not flags.name:
        raise UsageFailed(f"Which job? `mle jobs {flags.action} NAME`; `mle jobs` lists them.")
    match flags.action:
        case "watch":
            return ended(watch(session, flags.name))
        case "retry":
            answer = session.arm.call("POST", f"{path('jobs', flags.name)}/retryFailed")
            import json

            job = job_shown(json.loads(answer.read()))
            say(f"{job['name']} scores again what {flags.name} has no rows of.")
            return ended(watch(session, job["name"])) if flags.watch else job
        case "cancel":
            session.arm.call("POST", f"{path('jobs', flags.name)}/cancel").read()
            return None
        case _:
            return download(session, flags.name, None, Path(flags.path or flags.name))


VERBS = {
    "jobs": Verb(
        jobs,
        "Batch jobs: list them, watch one, retry what failed, fetch what came of it.",
        (
            flag(
                "action",
                nargs="?",
                default="list",
                choices=("list", "watch", "retry", "cancel", "download"),
            ),
            flag("name", nargs="?", help="the job"),
            flag("-p", "--path", help="download: the folder (one named as the job)"),
            flag("--watch", action="store_true", help="retry: follow it to its end"),
            MAX_RESULTS,
        ),
        COLUMNS,
        form="table",
    )
}
