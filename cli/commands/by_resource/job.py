"""`mle job`, with the verbs and flags of `az ml job`: batch jobs."""

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli.assets.stores import container_of, fetch, of_uri
from cli.failures import CommandFailed, Exit
from cli.host.arm import path
from cli.output.console import say
from cli.resources import MAX_RESULTS, NAME_NEEDED, WEB, creation
from cli.verbs import Group, Session, Verb, flag

_MOST = 10_000
ENDED = ("Completed", "Failed", "Canceled")
COLUMNS = ("name", "status", "endpoint", "deployment", "files")


def job_shown(rest: Any) -> dict[str, Any]:
    """A job as Azure's command line shows it, with its progress."""
    told = rest["properties"]
    progress = told.get("progress") or {}
    services = {
        name: {"type": each.get("jobServiceType"), "endpoint": each.get("endpoint")}
        for name, each in (told.get("services") or {}).items()
    }
    files = ""
    if progress.get("totalFiles") is not None:
        done = (progress.get("succeededFiles") or 0) + (progress.get("failedFiles") or 0)
        files = f"{done}/{progress['totalFiles']}"
    return {
        "name": rest["name"],
        "display_name": told.get("displayName"),
        "experiment_name": told.get("experimentName"),
        "id": rest.get("id"),
        "status": told.get("status"),
        "type": "pipeline",
        "endpoint": told.get("endpointName"),
        "deployment": told.get("deploymentName"),
        "tags": told.get("tags") or {},
        "properties": told.get("properties") or {},
        "inputs": told.get("inputs") or {},
        "outputs": told.get("outputs") or {},
        "services": services,
        "progress": progress,
        "files": files,
        "error": told.get("error"),
        "retry_of": told.get("retryOf"),
        "start_time": told.get("startTime"),
        "end_time": told.get("endTime"),
        "creation_context": creation(rest),
    }


def show_one(flags: argparse.Namespace, session: Session) -> Any:
    return job_shown(session.arm.get(path("jobs", flags.name)))


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    view = "All" if flags.include_archived else "ActiveOnly"
    return listed(session, "ArchivedOnly" if flags.archived_only else view, flags.max_results)


def listed(session: Session, view: str, most: int | None) -> list[dict[str, Any]]:
    """The newest jobs first, of those that Azure's view of a list has."""
    pages = session.arm.pages("jobs", listViewType=view)
    found = [job_shown(rest) for rest in itertools.islice(pages, _MOST)]
    found.sort(key=lambda job: str(job["creation_context"].get("created_at")), reverse=True)
    return found[: most or 50]


def archive(*, archived: bool) -> Callable[..., Any]:
    """The verb that puts a job away, or back among those that are listed."""

    def run(flags: argparse.Namespace, session: Session) -> None:
        body = {"properties": {"isArchived": archived}}
        session.arm.call("PUT", path("jobs", flags.name), body).read()

    return run


def cancel(flags: argparse.Namespace, session: Session) -> Any:
    session.arm.call("POST", f"{path('jobs', flags.name)}/cancel").read()


def watch(session: Session, name: str) -> dict[str, Any]:
    """Show a job's progress until it ends; the job then. Ctrl-C leaves it running."""
    pause, last = 0.2, ""
    began = time.monotonic()
    try:
        while True:
            job = job_shown(session.arm.get(path("jobs", name)))
            line = _line(job)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\x1b[K{line}  [{time.monotonic() - began:.0f} s]")
                sys.stderr.flush()
            elif line != last:
                say(line)
            last = line
            if job["status"] in ENDED:
                if sys.stderr.isatty():
                    sys.stderr.write("\n")
                return job
            time.sleep(pause)
            pause = min(pause * 1.3, 2.0)
    except KeyboardInterrupt:
        say(f"\nThe job goes on. `mle jobs watch {name}` follows it again.")
        raise


def _line(job: dict[str, Any]) -> str:
    told = job["progress"]
    line = f"{job['name']}: {job['status']}"
    if told.get("totalFiles"):
        line += f", {job['files']} files"
        if told.get("failedFiles"):
            line += f" ({told['failedFiles']} failed)"
    if told.get("rows"):
        line += f", {told['rows']} rows"
    if told.get("filesPerSecond"):
        line += f", {told['filesPerSecond']:.1f} files/s"
    if told.get("estimatedEndTime") and job["status"] not in ENDED:
        line += f", until about {told['estimatedEndTime'][11:16]} UTC"
    return line


def stream(flags: argparse.Namespace, session: Session) -> Any:
    return ended(watch(session, flags.name))


def ended(job: dict[str, Any]) -> Exit | None:
    """Raises CommandFailed for a job that did not complete, with its reason."""
    if job["status"] == "Completed":
        return None
    error = job["error"] or {}
    raise CommandFailed(
        f"The job {job['name']} is {job['status']}: {error.get('message') or 'no reason is told'}",
        hint=f"`mle jobs retry {job['name']}` scores again what has no rows.",
    )


def download(session: Session, name: str, output: str | None, target: Path) -> dict[str, Any]:
    """Fetch a job's outputs below a folder, each in one of its own name. Raises CommandFailed."""
    job = job_shown(session.arm.get(path("jobs", name)))
    outputs = job["outputs"]
    names = [output] if output else list(outputs)
    fetched: dict[str, Any] = {}
    for each in names:
        if each not in outputs:
            raise CommandFailed(
                f"The job {name} has no output {each!r}; it has {', '.join(outputs) or 'none'}."
            )
        store, below = of_uri(outputs[each]["uri"])
        if str(outputs[each].get("jobOutputType", "")).replace("_", "").lower() == "urifile":
            below = below.rpartition("/")[0]
        count = fetch(session.arm, container_of(session.arm, store), below, target / each)
        fetched[each] = {"path": str(target / each), "files": count}
    return fetched


def download_one(flags: argparse.Namespace, session: Session) -> Any:
    return download(session, flags.name, flags.output_name, Path(flags.download_path))


def lineage(flags: argparse.Namespace, session: Session) -> Any:
    """What a job ran and read, and what was registered of its outputs."""
    told = session.arm.get(path("jobs", flags.name, "lineage"))["properties"]
    return {
        "job": flags.name,
        "deployment": told["deploymentId"],
        "model": told["modelId"],
        "code": told["codeId"],
        "environment": told["environmentId"],
        "inputs": told["inputs"],
        "outputs": told["outputs"],
        "retry_of": told["retryOf"],
        "registered": [each["id"] for each in told["registered"]],
    }


GROUP = Group(
    "batch jobs",
    {
        "show": Verb(show_one, "Show a job.", (NAME_NEEDED, WEB), COLUMNS),
        "list": Verb(
            list_all,
            "List jobs, the newest first.",
            (
                MAX_RESULTS,
                flag("--include-archived", action="store_true", help="archived ones, too"),
                flag("--archived-only", action="store_true", help="archived ones alone"),
                flag("-p", "--parent-job-name", help=argparse.SUPPRESS),
            ),
            COLUMNS,
        ),
        "stream": Verb(stream, "Follow a job to its end.", (NAME_NEEDED,)),
        "lineage": Verb(
            lineage,
            "What a job ran and read, and what was registered of its outputs.",
            (NAME_NEEDED,),
        ),
        "cancel": Verb(cancel, "Stop a job.", (NAME_NEEDED,)),
        "archive": Verb(archive(archived=True), "List it no more.", (NAME_NEEDED,)),
        "restore": Verb(archive(archived=False), "List it again.", (NAME_NEEDED,)),
        "download": Verb(
            download_one,
            "Fetch a job's outputs.",
            (
                NAME_NEEDED,
                flag("--output-name", help="this one alone"),
                flag("--all", action="store_true", help="every one (so it is without, too)"),
                flag("-p", "--download-path", default=".", help="the folder for them (here)"),
            ),
        ),
    },
    {
        "create": "a batch endpoint makes jobs: `mle batch-endpoint invoke`. Commands, pipelines "
        "and sweeps do not run here.",
        "validate": "`mle batch-endpoint invoke` says every fault before a job is made.",
        "update": "`mle rest PUT jobs/NAME` changes its name, description and tags.",
    },
)
