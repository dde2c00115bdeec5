"""The Triton server of PyPI's nvidia-pytriton: how it is begun. Containers have the real one
(tests/e2e/online/test_own_servers.py)."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVER = """#!/bin/sh
backends=$(echo "$1" | cut -d= -f2)
echo "{\\"options\\": \\"$2\\", \\"path\\": \\"$PATH\\", \\"libraries\\": \\"$LD_LIBRARY_PATH\\"}"
ls "$backends/python"
"""


def begun(place: Path) -> subprocess.CompletedProcess[str]:
    script = (
        f"import sys; sys.path[:0] = [{str(place)!r}, {str(ROOT)!r}]\n"
        "from runtime import triton; sys.exit(triton.main(['--model-repository=/models']))"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(place), "LD_LIBRARY_PATH": "/before"},
        capture_output=True,
        text=True,
        check=False,
    )


def package(place: Path, stub: str) -> Path:
    home = place / "pytriton" / "tritonserver"
    for folder in ("bin", "backends/python", f"python_backend_stubs/{stub}"):
        (home / folder).mkdir(parents=True)
    (place / "pytriton" / "__init__.py").write_text("raise ImportError('nothing of it is run')")
    (home / "backends" / "python" / "libtriton_python.so").touch()
    (home / f"python_backend_stubs/{stub}" / "triton_python_backend_stub").touch()
    server = home / "bin" / "tritonserver"
    server.write_text(SERVER)
    server.chmod(0o755)
    return home


def test_it_finds_its_backend_the_stub_of_this_python_and_its_libraries(tmp_path: Path) -> None:
    package(tmp_path, sysconfig.get_python_version())
    done = begun(tmp_path)
    first, *backend = done.stdout.splitlines()
    told = json.loads(first)
    assert told["options"] == "--model-repository=/models"
    assert told["path"].startswith(os.path.dirname(sys.executable))
    bundled, *libraries = told["libraries"].split(":")
    assert bundled == str(tmp_path / "nvidia_pytriton.libs")
    assert libraries[-1] == "/before"
    assert backend == ["libtriton_python.so", "triton_python_backend_stub"]


def test_where_it_is_not_or_not_for_this_python_it_says_so(tmp_path: Path) -> None:
    missing = begun(tmp_path)
    assert (missing.returncode, "no nvidia-pytriton" in missing.stderr) == (2, True)
    package(tmp_path, "2.7")
    other = begun(tmp_path)
    assert (other.returncode, "no server for Python" in other.stderr) == (2, True)
