"""`install.py WHEELS TARGET DATA`: the command and the host, of wheels alone, in an environment of
their own, and the folder that they keep everything in. It runs where the image is built."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

USER = 10001


def main(wheels: Path, target: Path, data: Path) -> None:
    extras = Path(__file__).with_name("extras").read_text().strip()
    with tempfile.TemporaryDirectory() as folder:
        uv = installer(wheels, Path(folder))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, target], check=True)
        own = ["--python", target / "bin" / "python", "--no-index", "--find-links", wheels]
        what = ["--quiet", "--compile-bytecode", "--no-cache", f"mlectl[{extras}]"]
        subprocess.run([uv, "pip", "install", *own, *what], check=True)
    shutil.copy(Path(__file__).with_name("health.py"), target)
    data.mkdir(mode=0o700, parents=True)


def installer(wheels: Path, folder: Path) -> Path:
    """uv itself, out of its wheel."""
    [wheel] = wheels.glob("uv-*.whl")
    with zipfile.ZipFile(wheel) as content:
        [name] = [each for each in content.namelist() if each.endswith(".data/scripts/uv")]
        found = Path(content.extract(name, folder))
    found.chmod(0o755)
    return found


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
