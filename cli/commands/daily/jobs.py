"""`mle jobs`: what people do with jobs."""

import argparse
from pathlib import Path
from typing import Any

from cli.commands.by_resource.job import COLUMNS, download, ended, job_shown, listed, watch
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.output.console import say
from cli.resources import MAX_RESULTS
from cli.verbs import Session, Verb, flag


def jobs(flags: argparse.Namespace, session: Session) -> Any:
    if flags.action == "list":
        return listed(session, "ActiveOnly", flags.max_results)
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
        case "outputs":
            return _outputs(session, flags.name)
        case "failures":
            return _failures(session, flags.name, flags.max_results)
        case "head":
            return _head(session, flags)
        case "cancel":
            session.arm.call("POST", f"{path('jobs', flags.name)}/cancel").read()
            return None
        case _:
            return download(session, flags.name, None, Path(flags.path or flags.name))


def _outputs(session: Session, name: str) -> Any:
    """Each file that the job has written."""
    where = path("jobs", name)
    named = [each for each in session.arm.get(where)["properties"]["outputs"] if each in _READABLE]
    return [
        {
            "output": each,
            "file": file["path"],
            "size": file["size"],
            "changed": file["lastModified"],
        }
        for each in named
        for file in session.arm.pages(f"{where}/{path('outputs', each)}/files")
    ]


def _head(session: Session, flags: argparse.Namespace) -> Any:
    """The first rows of an output's first file."""
    name = flags.name
    where = f"{path('jobs', name, 'outputs', flags.output_name)}/firstRows"
    told = session.arm.get(where, rows=str(flags.rows))
    if told["kind"] in ("parquet", "image", "binary") and told["columns"] is None:
        count = f", {told['totalRows']} rows" if told["totalRows"] is not None else ""
        why = f" {told['reason']}" if told["reason"] else ""
        say(f"It is {told['kind']}{count}: `mle jobs download {name}` fetches it.{why}")
        return None
    if flags.output is not None:
        return told["rows"]
    import csv
    import json
    import sys

    if told["columns"] is not None:
        csv.writer(sys.stdout, lineterminator="\n").writerows([told["columns"], *told["rows"]])
    else:
        for row in told["rows"]:
            sys.stdout.write(f"{row if isinstance(row, str) else json.dumps(row)}\n")
    return None


def _failures(session: Session, name: str, most: int | None) -> Any:
    """What has no rows, and why."""
    found = []
    for each in session.arm.pages(f"{path('jobs', name)}/failures"):
        found.append({"file": each["file"], "attempts": each["attempts"], "error": each["error"]})
        if most and len(found) >= most:
            break
    return found


_READABLE = ("score", "logs")
VERBS = {
    "jobs": Verb(
        jobs,
        "Batch jobs: list them, watch one, retry what failed, see and fetch what came of it.",
        (
            flag(
                "action",
                nargs="?",
                default="list",
                choices=(
                    *("list", "watch", "retry", "cancel", "download"),
                    *("outputs", "head", "failures"),
                ),
            ),
            flag("name", nargs="?", help="the job"),
            flag("-p", "--path", help="download: the folder (one named as the job)"),
            flag("--output-name", default="score", help="head: of this output (score)"),
            flag("--rows", type=int, default=20, help="head: so many rows (20)"),
            flag("--watch", action="store_true", help="retry: follow it to its end"),
            MAX_RESULTS,
        ),
        COLUMNS,
        form="table",
    )
}
