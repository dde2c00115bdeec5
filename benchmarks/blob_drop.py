"""How soon a folder full of files becomes a running job.

An embedded host in a process of its own; 10,000 files are renamed into the inbox, as a careful
producer does it. The clock starts with the last file's arrival; the quiet period, which is a
setting, is taken off; it stops when the job is seen Running, with every file in its plan.

    python -m benchmarks.blob_drop [--files N] [--rounds N]
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from outside import scoring_files, serving
from outside.running_host import RunningHost
from outside.waiting import until

QUIET = 2.0
SLOW = "import time\n\n\ndef init():\n    pass\n\n\ndef run(mini_batch):\n    return mini_batch\n"


def drop(host: RunningHost, beside: Path, endpoint: str, files: int) -> tuple[float, float]:
    """Seconds that the renaming took, and the time of the last one."""
    beside.mkdir()
    for number in range(files):
        (beside / f"{number:06}.csv").write_text(f"{number}\n")
    target = host.inbox / endpoint
    target.mkdir(parents=True, exist_ok=True)
    time.sleep(0.5)
    began = time.time()
    for number in range(files):
        os.replace(beside / f"{number:06}.csv", target / f"{number:06}.csv")
    beside.rmdir()
    ended = time.time()
    return ended - began, ended


def cpu_seconds(pid: int) -> float:
    """What the process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def jobs(host: RunningHost, endpoint: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = host.workspace.get(f"batchEndpoints/{endpoint}/jobs")["value"]
    return found


def measure(host: RunningHost, folder: Path, endpoint: str, files: int) -> None:
    scoring_files.batch(host, endpoint, SLOW, miniBatchSize=50)
    memory = host.memory()
    before = cpu_seconds(host.pid)
    took, last = drop(host, folder / f"beside-{endpoint}", endpoint, files)

    def running() -> dict[str, Any] | None:
        for job in jobs(host, endpoint):
            if job["properties"]["status"] in ("Running", "Finalizing", "Completed"):
                return job
        return None

    job = until(running, patience=300, every=0.1, what="a running job")
    after = time.time() - last
    cpu = cpu_seconds(host.pid) - before
    name = job["name"]
    ended = scoring_files.ended(host, name, patience=600)
    captured = len(scoring_files.output(host, ended).read_text().splitlines()) - 1
    count = len(jobs(host, endpoint))
    sys.stdout.write(
        f"{files} files renamed in {took:.2f} s; running {after:.2f} s after the last, "
        f"{after - QUIET:.2f} s after the quiet period; {captured} rows, {count} job(s); host "
        f"{cpu:.1f} s of CPU until then, {memory / 2**20:.0f} MiB before, "
        f"{host.memory() / 2**20:.0f} MiB after\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    quiet = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": str(QUIET)}
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningHost(Path(folder) / "data", "--port", "0", environment=quiet) as host,
    ):
        serving.environment(host)
        for number in range(arguments.rounds):
            measure(host, Path(folder), f"drop{number}", arguments.files)


if __name__ == "__main__":
    main()
