"""How planning a job grows with its files: time, files a second, and the memory of the process.

    python -m benchmarks.plan_scale [--files 1000 10000 100000 1000000] [--folder FOLDER]

Real files in one folder of the embedded blob store are listed in order of name and planned into
mini-batches of 50, in a new process each; then time is fitted as a line and as a power of
the number of files.
"""

import argparse
import asyncio
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.jobs.batch_job import BatchJob, InputKind, JobInput
from domain.jobs.batch_planning import BatchPlanning
from domain.jobs.job_outputs import default_output
from infra.embedded.file_blob_store import FileBlobStore
from infra.outbound import OutboundAddresses
from infra.public_web_files import PublicWebFiles

ROOT = Path(__file__).parents[1]
CONTAINER = "workspaceblobstore"


def make(folder: Path, files: int) -> None:
    """Names that the file system gives back in no order."""
    place = folder / "blobs" / CONTAINER / "data"
    place.mkdir(parents=True)
    for number in range(files):
        (place / f"part-{number * 7919 % files:07d}.csv").write_bytes(b"1,2,3\n")


async def plan(folder: Path) -> dict[str, float]:
    blobs = FileBlobStore(folder, base_url="https://example.test", key=lambda: b"k" * 32)
    web = PublicWebFiles(OutboundAddresses(), max_bytes=1, max_time=1)
    data = JobInput(kind=InputKind.FOLDER, uri="", container=CONTAINER, path="data")
    job = BatchJob(
        name="job",
        endpoint="e",
        deployment="d",
        settings=BatchDeploymentProperties(mini_batch_size=50),
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

    watching = asyncio.create_task(watch())
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    planned = await BatchPlanning(blobs, web).plan(job, limit=3600)
    took = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    watching.cancel()
    await blobs.close()
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rss = after.ru_maxrss / 1024
    return {"files": planned.files, "seconds": took, "busy": busy, "rss": rss, "late": late}


def measured(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.plan_scale", "--plan", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the least-squares line."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    across = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return across / sum((x - mean_x) ** 2 for x, _ in points)


def main(sizes: Sequence[int], within: str | None) -> None:
    found = []
    sys.stdout.write("     files   seconds   files/s   CPU s   RSS MiB   loop late ms\n")
    for files in sizes:
        with tempfile.TemporaryDirectory(dir=within) as name:
            make(Path(name), files)
            one = measured(Path(name))
        found.append(one)
        sys.stdout.write(
            f"{files:10,d} {one['seconds']:9.3f} {files / one['seconds']:9,.0f} "
            f"{one['busy']:7.2f} {one['rss']:9.1f} {one['late'] * 1000:14.1f}\n"
        )
        sys.stdout.flush()
    if len(found) > 1:
        line = slope([(each["files"], each["seconds"]) for each in found])
        power = slope([(math.log(each["files"]), math.log(each["seconds"])) for each in found])
        grown = found[-1]["rss"] / found[0]["rss"]
        sys.stdout.write(
            f"{line * 1e6:.1f} microseconds a file; time grows with files to the {power:.2f}; "
            f"memory of the largest: {grown:.2f} x that of the smallest\n"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", help="where the files are made (default: the system's)")
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plan:
        sys.stdout.write(json.dumps(asyncio.run(plan(asked.plan))))
    else:
        main(asked.files, asked.folder)
