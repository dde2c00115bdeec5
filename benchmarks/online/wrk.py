"""wrk, the load generator, and one run of it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.online.servers import Question, Wrong
from benchmarks.peer_environments import Unavailable

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "wrk"
SCRIPT = Path(__file__).with_name("wrk.lua")
PACKAGES = ("wrk", "libluajit-5.1-2")


@dataclass(frozen=True)
class Load:
    """What one run saw: latencies in milliseconds, from a closed loop of kept connections."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Wrk:
    """Finds wrk, or fetches Debian's package of it into `.cache/wrk` without installing
    anything. Raises Unavailable."""

    def __init__(self) -> None:
        found = shutil.which("wrk")
        self._environment = dict(os.environ)
        if found is None:
            found = str(CACHE / "usr" / "bin" / "wrk")
            libraries = sorted({str(each.parent) for each in CACHE.rglob("*.so*")})
            if not Path(found).exists():
                _fetch()
                libraries = sorted({str(each.parent) for each in CACHE.rglob("*.so*")})
            self._environment["LD_LIBRARY_PATH"] = ":".join(libraries)
        self._program = found

    def run(self, question: Question, connections: int, seconds: float) -> Load:
        """Raises Wrong when a single answer was not the right one."""
        headers = {"Content-Type": "application/json", **question.headers}
        done = subprocess.run(
            [
                *(self._program, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
                *("--timeout", "30s", "-s", SCRIPT, question.url),
            ],
            env={
                **self._environment,
                "BENCH_BODY": question.body,
                "BENCH_TIMES": str(question.times),
                "BENCH_EXPECTED": question.expected,
                "BENCH_HEADERS": "\n".join(f"{n}: {v}" for n, v in headers.items()),
            },
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
        told = json.loads(done.stdout.splitlines()[-1])
        faults = {k: told[k] for k in ("statuses", "wrong", "timeouts", "broken") if told[k]}
        if faults or not told["requests"]:
            raise Wrong(f"{connections} connections, {told['requests']} answers, of them {faults}")
        return Load(told["requests"], told["seconds"], told["p50"], told["p99"])


def _fetch() -> None:
    sys.stderr.write(f"fetching wrk into {CACHE.relative_to(ROOT)}\n")
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "download", *PACKAGES], cwd=CACHE, check=True, capture_output=True
        )
        for package in CACHE.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, CACHE], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(
            "wrk, the load generator, is not here and could not be fetched "
            f"({error}); install it: apt-get update && apt-get install wrk"
        ) from None
