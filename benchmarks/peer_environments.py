"""A virtual environment for each peer, under `.cache/peers`."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "benchmarks/peers"
CACHE = ROOT / ".cache/peers"
_LIMIT = 1800.0


class Unavailable(Exception):
    """A peer that cannot run on this machine; the message says why."""


def installed(peer: str) -> Path:
    """The environment with what `benchmarks/peers/{peer}/requirements.txt` pins, built once
    for each text of it. Raises Unavailable with what uv says."""
    requirements = REQUIREMENTS / peer / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = CACHE / peer
    mark = folder / "installed"
    if mark.exists() and mark.read_text() == digest:
        return folder
    sys.stderr.write(f"installing {peer} under {folder.relative_to(ROOT)}\n")
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    _run([uv, "venv", "--quiet", "--python", sys.executable, folder])
    python = folder / "bin/python"
    # Compiled now, so that the first start measured is like the later ones.
    compiled: list[str | Path] = [uv, "pip", "install", "--quiet", "--compile-bytecode"]
    _run([*compiled, "--python", python, "-r", requirements])
    mark.write_text(digest)
    return folder


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {done.stdout.strip()[-1500:]}")
