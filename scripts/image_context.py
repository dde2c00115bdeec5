"""`python -m scripts.image_context WHEEL FOLDER`: all that an image of the host is built of.

The build itself needs no network then, and has what uv.lock says, by digest.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CONTAINER: Final = ROOT / "container"
_GLIBC: Final = ("2_17", "2_27", "2_28", "2_31", "2_34", "2_35")
_OURS: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.image_context", description=__doc__)
    parser.add_argument("wheel", type=Path, help="mlectl's own, as `make wheel` builds it")
    parser.add_argument("folder", type=Path, help="which is made anew")
    parser.add_argument("--python-version", default=_OURS, help="of the base image (%(default)s)")
    parser.add_argument("--machine", default="x86_64", help="x86_64 or aarch64 (%(default)s)")
    parser.add_argument("--extras", default="", help="such as azure, for its stores")
    given = parser.parse_args(arguments)
    place = {"python": given.python_version, "machine": given.machine}
    write_context(given.wheel, given.folder, extras=("host", *given.extras.split()), **place)
    return 0


def write_context(
    wheel: Path, folder: Path, *, python: str, machine: str, extras: Sequence[str]
) -> None:
    """A folder with the Dockerfile, and every wheel that the host needs."""
    shutil.rmtree(folder, ignore_errors=True)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    for file in CONTAINER.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    shutil.copy(wheel, wheels)
    (folder / "extras").write_text(",".join(extras))
    with tempfile.TemporaryDirectory() as workplace:
        listed = Path(workplace) / "requirements.txt"
        uv = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
        export = ["export", "--frozen", "--no-default-groups", "--quiet"]
        export += [word for each in extras for word in ("--extra", each)]
        subprocess.run([uv, *export, "-o", str(listed)], cwd=ROOT, check=True)
        download = ["download", "--quiet", "--require-hashes", "--no-deps", "-r", str(listed)]
        place = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
        for glibc in _GLIBC:
            place += ["--platform", f"manylinux_{glibc}_{machine}"]
        place += ["--platform", f"manylinux2014_{machine}", "--dest", str(wheels)]
        quiet = ["--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "pip", *download, *place, *quiet], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
