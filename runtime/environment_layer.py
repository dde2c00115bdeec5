"""Installs an environment's packages for an image, whose Python need not be on this machine:
`layer --spec SPEC --target DIR --uv UV --platform PLATFORM`.

DIR/packages is what the image's Python is to find, and DIR/requirements.lock says which versions
that are, with the digests of their files: the same lock gives the same packages. One that is there
before (`--lock`) is gone by.

Like any build of an environment (environment.py) it leaves nothing where it does not come to its
end, takes turns with others at DIR, and tells nobody of credentials.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from . import package_indexes
from .environment import (
    LOCK,
    Build,
    BuildError,
    Spec,
    end_with_host,
    find_python,
    locked,
    read_spec,
    say,
)

PACKAGES = "packages"


def main(argv: Sequence[str]) -> int:
    """Install once; 0 if all is there at the end, else 1."""
    parser = argparse.ArgumentParser(prog="runtime layer")
    parser.add_argument("--spec", required=True, type=Path)
    parser.add_argument("--target", required=True, type=Path)
    parser.add_argument("--uv", required=True)
    parser.add_argument("--platform", required=True, help="as uv names it: x86_64-manylinux_2_28")
    parser.add_argument("--lock", type=Path, help="what was resolved before")
    parser.add_argument("--place", required=True, help="where the packages are in the image")
    parser.add_argument("--deadline", type=float, default=1800.0, help="seconds")
    arguments = parser.parse_args(argv)
    opened = package_indexes.read_credentials(sys.stdin.fileno())
    threading.Thread(target=end_with_host, daemon=True).start()
    deadline = time.monotonic() + arguments.deadline
    target: Path = arguments.target.absolute()
    try:
        with locked(target, deadline) as lock:
            secrets = package_indexes.Secrets(opened)
            build = Build(arguments.uv, target, deadline, lock, secrets)
            layer = _Layer(build, arguments.uv, target, arguments.platform, arguments.place)
            layer.make(read_spec(arguments.spec), arguments.lock)
    except BuildError as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(f"error: {error.strerror or error}: {error.filename or target}")
        return 1
    return 0


class _Layer:
    def __init__(self, build: Build, uv: str, target: Path, platform: str, place: str) -> None:
        self._build = build
        self._uv = uv
        self._target = target
        self._platform = platform
        self._place = place

    def make(self, spec: Spec, lock: Path | None) -> None:
        shutil.rmtree(self._target, ignore_errors=True)
        (self._target / PACKAGES).mkdir(parents=True)
        try:
            kept = self._target / LOCK
            if lock is not None:
                say("Installing what was resolved before.")
                shutil.copyfile(lock, kept)
            else:
                self._resolve(spec, kept)
            if spec.requirements:
                self._install(spec, kept)
        except BaseException:  # interrupted too
            shutil.rmtree(self._target, ignore_errors=True)
            raise

    def _resolve(self, spec: Spec, lock: Path) -> None:
        wanted = self._target / "requirements.in"
        wanted.write_text("".join(f"{each}\n" for each in spec.requirements), encoding="utf-8")
        say(f"Resolving {', '.join(spec.requirements) or 'nothing'}")
        if not spec.requirements:
            lock.write_text("")
            return
        told = ["--no-header", "--generate-hashes", "--no-annotate", "--quiet"]
        compile = ["pip", "compile", *told, *self._for(spec), "--output-file", str(lock)]
        self._build.tool([*compile, str(wanted)], self._target, spec.indexes)
        for line in lock.read_text(encoding="utf-8").splitlines():
            if not line.startswith(" "):
                say(line.removesuffix(" \\"))

    def _install(self, spec: Spec, lock: Path) -> None:
        packages = self._target / PACKAGES
        python = self._own_python(spec)
        install = ["pip", "install", "--no-deps", "--link-mode", "copy", *self._for(spec)]
        if python is None:
            say(f"Python {spec.python} is not on this machine: only wheels are installed.")
            install += ["--only-binary", ":all:"]
        else:
            install += ["--python", python]
        install += ["--target", str(packages), "--requirements", str(lock)]
        self._build.tool(install, self._target, spec.indexes)
        if python is None:
            say("They are not compiled, and are compiled at each start.")
            return
        # Where a model runs nothing can be written, and files have no times.
        compile = [python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        compile += ["-s", str(packages), "-p", self._place, str(packages)]
        subprocess.run(compile, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def _for(self, spec: Spec) -> list[str]:
        return ["--python-version", spec.python, "--python-platform", self._platform]

    def _own_python(self, spec: Spec) -> str | None:
        """One that builds what the image's can run."""
        if self._platform.partition("-")[0] != platform.machine():
            return None
        try:
            return find_python(self._uv, spec.python, self._target)
        except BuildError:
            return None
