"""The other ways: each a script in a process of its own, in an environment of its own."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.batch.measured import Measured, Void
from benchmarks.peer_environments import ROOT, Unavailable, installed
from benchmarks.process_tree import Peak, end_children

WAYS = ROOT / "benchmarks/batch/ways"
_LIMIT = 600.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_JAVA = 17
UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Variables of whoever runs this that would slow a start."""


@dataclass(frozen=True)
class Peer:
    """`script` is in `ways`, its `environment` in `benchmarks/peers`."""

    name: str
    script: str
    environment: str
    needs_java: bool = False

    def prepare(self) -> None:
        """Build what it runs in. Raises Unavailable."""
        if self.needs_java:
            _check_java()
        installed(self.environment)

    def measure(self, model: Path, files: Path, reader: str) -> Measured:
        """One round, from the start of its process. Raises Void."""
        python = str(installed(self.environment) / "bin/python")
        peak = Peak()
        with tempfile.TemporaryDirectory() as cwd, tempfile.TemporaryFile() as errors:
            called = time.monotonic()
            process = subprocess.Popen(
                [python, str(WAYS / self.script), str(model), str(files)],
                cwd=cwd,
                env=_environment(python, reader),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
            try:
                with peak.watching(process.pid):
                    output, _ = process.communicate(timeout=_LIMIT)
            except subprocess.TimeoutExpired:
                raise Void(f"it did not end within {_LIMIT:.0f} s") from None
            finally:
                end_children()
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        for line in output.splitlines():
            if line.startswith("RESULT "):
                told = json.loads(line.removeprefix("RESULT "))
                return Measured.told(told, called, peak.bytes)
        raise Void(f"it ended with {process.returncode} and no result:\n{said[-3000:]}")


def _environment(python: str, reader: str) -> dict[str, str]:
    """One thread for a worker's numerics, as ours have; nobody told of what is measured."""
    usual = {n: v for n, v in os.environ.items() if n not in UNUSUAL}
    return {
        **usual,
        **dict.fromkeys(_THREADS, "1"),
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(WAYS),
        "PYSPARK_PYTHON": python,
        "BENCH_READER": reader,
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _check_java() -> None:
    """Raises Unavailable unless Spark finds a Java that it runs on."""
    help = f"Spark needs Java {_JAVA} or newer (Debian: apt-get install openjdk-17-jre-headless)"
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise Unavailable(help)
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < _JAVA:
        raise Unavailable(f"{help}; found {said.strip().splitlines()[:1]}")


PEERS = {
    peer.name: peer
    for peer in (
        Peer("loop", "one_process.py", "pool"),
        Peer("pool", "process_pool.py", "pool"),
        Peer("ray", "ray_data.py", "ray_data"),
        Peer("dask", "dask_futures.py", "dask"),
        Peer("spark", "spark_paths.py", "spark", needs_java=True),
        Peer("mlflow", "mlflow_udf.py", "spark", needs_java=True),
    )
}
