"""How planning a job grows with its files: time, files a second, and the memory of the process.

    python -m benchmarks.plan_scale [--files 1000 10000 100000 1000000] [--folder FOLDER]

Real files in one folder of the embedded blob store are listed in order of name and planned into
mini-batches of 50, in a new process each; then time is fitted as a line and as a power of
the number of files. Then one CSV file of --megabytes, a fifth of its fields quoted, is cut into
pieces of 10,000 rows.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.growth import power, slope
from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.batch.mini_batch_cut import MiniBatchBy
from domain.jobs.invoking.job_outputs import default_output
from domain.jobs.planning.job_planning import JobPlanning
from domain.jobs.planning.web_copies import WebCopies
from domain.jobs.records.batch_job import BatchJob, InputKind, JobInput
from domain.jobs.records.job_times import JobTimes
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles

ROOT = Path(__file__).parents[1]
CONTAINER = "workspaceblobstore"
SIZES = {MiniBatchBy.FILES: 50, MiniBatchBy.ROWS: 10_000}


def make(folder: Path, files: int) -> None:
    """Names that the file system gives back in no order."""
    place = folder / "blobs" / CONTAINER / "data"
    place.mkdir(parents=True)
    for number in range(files):
        (place / f"part-{number * 7919 % files:07d}.csv").write_bytes(b"1,2,3\n")


def make_table(folder: Path, megabytes: int) -> None:
    place = folder / "blobs" / CONTAINER / "data"
    place.mkdir(parents=True)
    row = b'1.25,-0.5,2026-01-02,"a text, quoted",81231\n'
    with (place / "table.csv").open("wb") as file:
        file.write(b"a,b,c,d,e\n")
        for _ in range(megabytes):
            file.write(row * (2**20 // len(row)))


async def plan(folder: Path, by: MiniBatchBy) -> dict[str, float]:
    blobs = FileBlobStore(folder, base_url="https://example.test", key=lambda: b"k" * 32)
    web = PublicWebFiles(OutboundAddresses(()), max_bytes=1, max_time=1)
    data = JobInput(kind=InputKind.FOLDER, uri="", container=CONTAINER, path="data")
    job = BatchJob(
        name="job",
        endpoint="e",
        deployment="d",
        settings=BatchDeploymentProperties(mini_batch_by=by, mini_batch_size=SIZES[by]),
        inputs=(data,),
        output=default_output("job", "predictions.csv"),
        created_at=datetime.now(UTC),
        created_by="me",
    )
    late = 0.0

    async def watch() -> None:
        # How late the loop comes to what else a host does meanwhile.
        nonlocal late
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.005)
            late = max(late, time.perf_counter() - asked - 0.005)

    times = JobTimes()
    copies = WebCopies(blobs, web, pause=times.web_pause)
    planning = JobPlanning(blobs, copies, most_units=times.most_units)
    watching = asyncio.create_task(watch())
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    planned = await planning.plan(job, limit=3600)
    took = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    watching.cancel()
    await blobs.close()
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rss = most_memory()
    return {"files": planned.files, "seconds": took, "busy": busy, "rss": rss, "late": late}


def most_memory() -> float:
    """The most that was resident, in MiB; ru_maxrss would count the parent's before exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(folder: Path, by: MiniBatchBy) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.plan_scale", "--plan", str(folder), "--by", by]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(sizes: Sequence[int], megabytes: int, within: str | None) -> None:
    found = []
    sys.stdout.write("     files   seconds   files/s   CPU s   RSS MiB   loop late ms\n")
    for files in sizes:
        with tempfile.TemporaryDirectory(dir=within) as name:
            make(Path(name), files)
            one = measured(Path(name), MiniBatchBy.FILES)
        found.append(one)
        sys.stdout.write(
            f"{files:10,d} {one['seconds']:9.3f} {files / one['seconds']:9,.0f} "
            f"{one['busy']:7.2f} {one['rss']:9.1f} {one['late'] * 1000:14.1f}\n"
        )
        sys.stdout.flush()
    if len(found) > 1:
        times = [(each["files"], each["seconds"]) for each in found]
        grown = found[-1]["rss"] / found[0]["rss"]
        sys.stdout.write(
            f"{slope(times) * 1e6:.1f} microseconds a file; time grows with files to the "
            f"{power(times):.2f}; "
            f"memory of the largest: {grown:.2f} x that of the smallest\n"
        )
    if megabytes:
        with tempfile.TemporaryDirectory(dir=within) as name:
            make_table(Path(name), megabytes)
            one = measured(Path(name), MiniBatchBy.ROWS)
        sys.stdout.write(
            f"{megabytes} MiB by rows: {one['seconds']:.2f} s, {megabytes / one['seconds']:.0f} "
            f"MiB/s, {one['files']} pieces, RSS {one['rss']:.1f} MiB, loop late "
            f"{one['late'] * 1000:.1f} ms\n"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", help="where the files are made (default: the system's)")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--by", type=MiniBatchBy, default=MiniBatchBy.FILES, help=argparse.SUPPRESS)
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plan:
        sys.stdout.write(json.dumps(asyncio.run(plan(asked.plan, asked.by))))
    else:
        main(asked.files, asked.megabytes, asked.folder)
