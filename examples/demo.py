"""The main job, end to end, as a user does it: over HTTPS against an embedded host.

    make demo
    make demo KEEP=1       # and stays up, with live traffic, in the studio

Trains two models, serves them behind one endpoint with split traffic, and scores a folder
of files as one batch job. Everything it keeps is under `.data/demo`, which each run begins
anew but for the environments built before.
"""

import asyncio
import collections
import csv
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from examples.client import CallFailed, Workspace  # noqa: E402
from examples.digits.files import rows, write_files  # noqa: E402
from examples.digits.train import train  # noqa: E402
from examples.host import Host  # noqa: E402
from examples.live import Jobs, LiveTraffic, begin_rollout, until_interrupted  # noqa: E402

DIGITS = REPOSITORY / "examples" / "digits"
DATA = REPOSITORY / ".data" / "demo"
ONLINE, BATCH = "digits", "digits-batch"
FILES = 500
REQUESTS = 1000

console = Console(highlight=False)


def progress(*, counted: bool = False) -> Progress:
    count = (BarColumn(), MofNCompleteColumn()) if counted else ()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *count,
        TimeElapsedColumn(),
        console=console,
    )


def step(number: int, title: str) -> None:
    console.print(f"\n[bold cyan]{number}. {title}[/]")


def say(text: str) -> None:
    console.print(f"   {text}", soft_wrap=True)


def start_anew() -> None:
    """Forget the last run but for its built environments, which are the slow part."""
    for path in DATA.glob("*"):
        if path.name != "compute":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class Demo:
    def __init__(self, workspace: Workspace, work: Path) -> None:
        self.workspace = workspace
        self.work = work

    def mutate(self, what: str, method: str, path: str, body: Any = None) -> None:
        """A long-running operation, with its state shown while it runs."""
        with progress() as bar:
            task = bar.add_task(what)
            started = time.monotonic()
            self.workspace.mutate(
                method,
                path,
                body,
                waiting=lambda status: bar.update(task, description=f"{what} [dim]{status}[/]"),
            )
            took = time.monotonic() - started
            bar.update(task, description=f"{what} [green]Succeeded[/] [dim]{took:.1f} s[/]")

    # -- 1 ------------------------------------------------------------------------------

    def register_assets(self) -> None:
        step(1, "Train two versions of a model and register them, with code and environment")
        for version, accuracy in train(self.work / "models").items():
            uri = self.workspace.upload("models", ONLINE, version, self.work / "models" / version)
            self.workspace.call(
                "PUT",
                f"models/{ONLINE}/versions/{version}",
                {
                    "properties": {
                        "modelUri": uri,
                        "modelType": "custom_model",
                        "tags": {"accuracy": f"{accuracy:.3f}"},
                    }
                },
            )
            say(f"models/{ONLINE}/versions/{version}: accuracy {accuracy:.3f}")
        for name, folder in (("score-online", "online"), ("score-files", "batch")):
            uri = self.workspace.upload("codes", name, "1", DIGITS / folder)
            self.workspace.call("PUT", f"codes/{name}/versions/1", {"properties": {"codeUri": uri}})
            say(f"codes/{name}/versions/1")
        conda = (DIGITS / "environment" / "conda.yaml").read_text()
        self.workspace.call(
            "PUT", "environments/digits/versions/1", {"properties": {"condaFile": conda}}
        )
        say("environments/digits/versions/1")

    # -- 2 ------------------------------------------------------------------------------

    def serve(self) -> None:
        step(2, "Serve both versions behind one endpoint")
        endpoint = f"onlineEndpoints/{ONLINE}"
        self.mutate(
            f"endpoint {ONLINE}",
            "PUT",
            endpoint,
            {"location": "local", "properties": {"authMode": "Key"}},
        )
        for name, version in (("blue", "1"), ("green", "2")):
            self.mutate(
                f"deployment {name}: environment, process, readiness",
                "PUT",
                f"{endpoint}/deployments/{name}",
                self.online_deployment(version),
            )
        self.mutate(
            "traffic to blue", "PATCH", endpoint, {"properties": {"traffic": {"blue": 100}}}
        )
        uri = self.workspace.get(endpoint)["properties"]["scoringUri"]
        key = self.workspace.call("POST", f"{endpoint}/listKeys").json()["primaryKey"]
        say(f"scoring URI {uri}")
        with httpx.Client(verify=self.workspace.tls, headers=bearer(key)) as caller:
            answer = caller.post(uri, json={"data": rows()[:3]})
            say(
                f"three scans scored by {answer.headers['azureml-model-deployment']}: {answer.text}"
            )
        self.mutate(
            "traffic to blue 90, green 10",
            "PATCH",
            endpoint,
            {"properties": {"traffic": {"blue": 90, "green": 10}}},
        )
        seen = asyncio.run(self.send_many(uri, key))
        say(f"{REQUESTS} requests were answered by {dict(sorted(seen.items()))}")
        with httpx.Client(verify=self.workspace.tls, headers=bearer(key)) as caller:
            answer = caller.post(
                uri, json={"data": rows()[:1]}, headers={"azureml-model-deployment": "green"}
            )
            say(
                "named by header: "
                f"{answer.headers['azureml-model-deployment']} answered {answer.text}"
            )
        self.rotate_key(endpoint, uri, key)

    def online_deployment(self, version: str) -> dict[str, Any]:
        workspace = self.workspace.connection["workspace"]
        return {
            "location": "local",
            "sku": {"name": "Default", "capacity": 1},
            "properties": {
                "model": f"{workspace}/models/{ONLINE}/versions/{version}",
                "codeConfiguration": {
                    "codeId": f"{workspace}/codes/score-online/versions/1",
                    "scoringScript": "score.py",
                },
                "environmentId": f"{workspace}/environments/digits/versions/1",
                "instanceType": "Standard_DS1_v2",
                "endpointComputeType": "Managed",
                "requestSettings": {"maxConcurrentRequestsPerInstance": 8},
            },
        }

    async def send_many(self, uri: str, key: str) -> collections.Counter[str]:
        """REQUESTS requests, eight at a time; who answered how many."""
        seen: collections.Counter[str] = collections.Counter()
        scans = iter(rows()[:REQUESTS])
        async with httpx.AsyncClient(verify=self.workspace.tls, headers=bearer(key)) as caller:
            with progress(counted=True) as bar:
                task = bar.add_task("requests", total=REQUESTS)

                async def send() -> None:
                    for scan in scans:
                        answer = await caller.post(uri, json={"data": [scan]}, timeout=30)
                        answer.raise_for_status()
                        seen[answer.headers["azureml-model-deployment"]] += 1
                        bar.advance(task)

                await asyncio.gather(*(send() for _ in range(8)))
        return seen

    def rotate_key(self, endpoint: str, uri: str, old: str) -> None:
        self.mutate("new primary key", "POST", f"{endpoint}/regenerateKeys", {"keyType": "Primary"})
        new = self.workspace.call("POST", f"{endpoint}/listKeys").json()["primaryKey"]
        body = {"data": rows()[:1]}
        with httpx.Client(verify=self.workspace.tls) as caller:
            refused = caller.post(uri, json=body, headers=bearer(old)).status_code
            taken = caller.post(uri, json=body, headers=bearer(new)).status_code
        check(refused == 401 and taken == 200, f"old key {refused}, new key {taken}")
        say(f"the old key is refused ({refused}), the new one is taken ({taken})")

    # -- 3 ------------------------------------------------------------------------------

    def score_files(self) -> None:
        step(3, f"Drop {FILES} CSV files into a folder and let one job score them")
        endpoint = f"batchEndpoints/{BATCH}"
        self.mutate(f"endpoint {BATCH}", "PUT", endpoint, {"location": "local", "properties": {}})
        self.mutate(
            "deployment forest", "PUT", f"{endpoint}/deployments/forest", self.batch_deployment()
        )
        self.mutate(
            "forest is the default",
            "PATCH",
            endpoint,
            {"properties": {"defaults": {"deploymentName": "forest"}}},
        )
        dropped = self.drop()
        job = self.watch(self.job_of_drop())
        place, predictions = self.output_of(job)
        say(f"output {place}; it begins with")
        for line in predictions.splitlines()[:4]:
            console.print(f"      [dim]{line}[/]")
        self.check_rows(predictions, dropped)
        self.invoke(endpoint)

    def drop(self) -> dict[str, int]:
        """Put FILES files into the endpoint's folder of the inbox, a folder on this machine or
        a container elsewhere; how many rows each has."""
        inbox = self.workspace.connection["inbox"]
        elsewhere = inbox.startswith("http")
        folder = self.work / "dropped" if elsewhere else Path(inbox) / BATCH
        dropped: dict[str, int] = {}
        with progress(counted=True) as bar:
            task = bar.add_task("files dropped", total=FILES)
            for path, count in write_files(folder, FILES):
                if elsewhere:
                    self.workspace.put_blob("batchinbox", f"{BATCH}/{path.name}", path)
                dropped[path.name] = count
                bar.advance(task)
        say(f"inbox  {inbox}/{BATCH}" if elsewhere else f"inbox  {shown(folder)}")
        return dropped

    def batch_deployment(self) -> dict[str, Any]:
        workspace = self.workspace.connection["workspace"]
        return {
            "location": "local",
            "properties": {
                "model": {
                    "referenceType": "Id",
                    "assetId": f"{workspace}/models/{ONLINE}/versions/2",
                },
                "codeConfiguration": {
                    "codeId": f"{workspace}/codes/score-files/versions/1",
                    "scoringScript": "score_files.py",
                },
                "environmentId": f"{workspace}/environments/digits/versions/1",
                "compute": f"{workspace}/computes/local",
                "resources": {"instanceCount": 2},
                "miniBatchSize": 10,
                "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
                "outputAction": "AppendRow",
                "outputFileName": "predictions.csv",
            },
        }

    def job_of_drop(self) -> str:
        with progress() as bar:
            bar.add_task("the folder is quiet, its files become one job")
            ends = time.monotonic() + 60
            while time.monotonic() < ends:
                jobs = self.workspace.get(f"batchEndpoints/{BATCH}/jobs")["value"]
                if jobs:
                    check(len(jobs) == 1, f"one drop became {len(jobs)} jobs")
                    name: str = jobs[0]["name"]
                    return name
                time.sleep(0.2)
        raise RuntimeError("No job began within 60 s of the last file.")

    def watch(self, name: str) -> dict[str, Any]:
        """Follow a job to its end by its own progress."""
        with progress(counted=True) as bar:
            task = bar.add_task(f"job {name}", total=None)
            while True:
                job = self.workspace.get(f"jobs/{name}")
                properties = job["properties"]
                bar.update(task, description=f"job {name[:8]} [dim]{properties['status']}[/]")
                if counts := properties["progress"]:
                    bar.update(
                        task,
                        total=counts["totalMiniBatches"],
                        completed=counts["totalMiniBatches"] - counts["remainingMiniBatches"],
                    )
                if properties["status"] in ("Completed", "Failed", "Canceled"):
                    check(properties["status"] == "Completed", f"{properties.get('error')}")
                    return job
                time.sleep(0.2)

    def output_of(self, job: dict[str, Any]) -> tuple[str, str]:
        """Where the output blob is (an embedded host keeps it as a file), and what it says."""
        uri: str = job["properties"]["outputs"]["score"]["uri"]
        path = uri.partition("/paths/")[2]
        file = DATA / "blobs" / "workspaceblobstore" / path
        if file.exists():
            return shown(file), file.read_text()
        return uri, self.workspace.read_blob("workspaceblobstore", path)

    def check_rows(self, predictions: str, dropped: dict[str, int]) -> None:
        found = collections.Counter(
            (row["input_file"].rpartition("/")[2], int(row["input_row"]))
            for row in csv.DictReader(predictions.splitlines())
        )
        wanted = {(name, row) for name, count in dropped.items() for row in range(count)}
        check(set(found) == wanted, "some input rows are missing in the output")
        check(set(found.values()) == {1}, "some input rows are in the output twice")
        say(f"all {len(wanted)} rows of the {len(dropped)} files are in it, each once")

    def invoke(self, endpoint: str) -> None:
        source = self.work / "few"
        list(write_files(source, 40))
        uri = self.workspace.upload("data", "few-digits", "1", source)
        self.workspace.call(
            "PUT",
            "data/few-digits/versions/1",
            {"properties": {"dataType": "uri_folder", "dataUri": uri}},
        )
        scoring_uri = self.workspace.get(endpoint)["properties"]["scoringUri"]
        job = self.workspace.call(
            "POST",
            scoring_uri,
            {
                "properties": {
                    "InputData": {
                        "digits": {"JobInputType": "UriFolder", "Uri": "azureml:few-digits:1"}
                    },
                    "miniBatchSize": 4,
                    "compute": {"instanceCount": 1},
                    "outputFileName": "few.csv",
                }
            },
        ).json()
        say("the same endpoint invoked over HTTP, with 4 files a mini-batch and 1 instance")
        place, few = self.output_of(self.watch(job["name"]))
        say(f"output {place}: {len(few.splitlines()) - 1} rows")


def keep(workspace: Workspace, host: Host) -> None:
    """The studio, with callers, a rollout and jobs to be seen in it, until Ctrl-C."""
    from cli.host.contexts import from_connection_file
    from cli.studio.server import StudioServer
    from studio.pages import BUILT, Pages

    step(4, "Stay up, with live traffic, in the studio")
    server = StudioServer(from_connection_file(host.connection_file), Pages(BUILT))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    begin_rollout(workspace, ONLINE)
    with LiveTraffic(workspace, ONLINE), Jobs(workspace, BATCH, "azureml:few-digits:1"):
        say("The studio, signed in by this link, once, within a minute:")
        say(f"[bold]{server.link}[/]")
        say("Enter makes a new link; Ctrl-C ends it all.")
        until_interrupted(lambda: server.link, say)
    server.shutdown()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)


def main() -> int:
    started = time.monotonic()
    start_anew()
    work = DATA / "work"
    console.print("[bold]ml-endpoints[/]: online and batch endpoints on this machine")
    with progress() as bar:
        task = bar.add_task("host")
        host = Host(DATA)
        host.start()
        bar.update(task, description=f"host ready at {host.url}")
    try:
        with Workspace(host.connection_file) as workspace:
            demo = Demo(workspace, work)
            demo.register_assets()
            demo.serve()
            demo.score_files()
            if os.environ.get("KEEP"):
                keep(workspace, host)
    except (CallFailed, RuntimeError, httpx.HTTPError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}", markup=True)
        console.print(f"The host's log is {shown(DATA / 'logs' / 'host.jsonl')}.")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; the host is stopping.")
        return 130
    finally:
        host.stop()
    blobs = DATA / "blobs"
    # Over the cloud adapters they were on servers that end with the demo.
    files = (
        f"Predictions         {shown(blobs / 'workspaceblobstore' / 'azureml')}\n"
        f"Inbox               {shown(blobs / 'batch-inbox')}\n"
    )
    console.print()
    console.print(
        Panel.fit(
            f"Done in {time.monotonic() - started:.0f} s, and the host has stopped.\n"
            "Two models behind one URL with a 90/10 split and a rotated key; one folder\n"
            f"of {FILES} files scored by one job, each row once; one job with its own settings.\n\n"
            f"Everything it made  {shown(DATA)}\n"
            f"{files if blobs.exists() else ''}"
            f"Logs                {shown(DATA / 'logs')}\n\n"
            "Next: [bold]make demo KEEP=1[/] stays up, with the studio; [bold]make run[/] keeps a\n"
            "host up, and README.md shows each call.",
            title="ml-endpoints",
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
