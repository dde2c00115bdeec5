"""What environments add to the images they stand on, made on this machine."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from domain.ports import Credentials, EnvironmentSpec
from infra.compute.ground import process_environment
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.image_layout import ENVIRONMENT, LOCK, PYTHON, RUNTIME
from infra.compute.package_sources import PackageSourceRefused, PackageSources
from infra.compute.registry.base_python import BasePython
from infra.compute.registry.image_manifest import Platform
from infra.compute.registry.layer_file import Copy, Entry, Layer, Link, Text, tree, write_layer

_DEADLINE: Final = 1800.0
_TAIL: Final = 40
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC: Final = "manylinux_2_28"
"""What wheels may ask of the base's glibc."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """`lock` is what was installed; '' where nothing was. The file goes with its folder."""

    layer: Layer
    lock: str


class LayerBuilds:
    """Below `folder` nothing is kept that has come to its end, in whichever way. `runtime` is our
    package, and `uv` the tool that installs."""

    def __init__(self, folder: Path, runtime: Path, uv: str, packages: PackageSources) -> None:
        self._folder = folder
        self._runtime = runtime
        self._uv = uv
        self._packages = packages

    @asynccontextmanager
    async def environment(
        self, spec: EnvironmentSpec, python: BasePython, platform: Platform, lock: str, say: Say
    ) -> AsyncIterator[Built]:
        """The packages that `spec` asks for, or `lock` says if it is not '', for `python`. Without
        any, what runs a script is the image's own Python. Raises StartFailure."""
        folder = await self._scratch()
        try:
            if not spec.python:
                entries: list[Entry] = [Text(PYTHON.lstrip("/"), _wrapper(python), 0o755)]
                layer = await asyncio.to_thread(write_layer, folder / "layer", entries)
                yield Built(layer, "")
                return
            if python.version != _minor(spec.python):
                raise StartFailure(
                    "ImageBuildFailure",
                    f"The image's python3 is {python.version or 'of an unknown version'}, and the "
                    f"environment asks for {spec.python}.",
                )
            await self._install(spec, platform, folder, lock, say)
            resolved = await asyncio.to_thread((folder / "made" / "requirements.lock").read_text)
            layer = await asyncio.to_thread(
                write_layer, folder / "layer", _environment(folder / "made", python, resolved)
            )
            say(f"A layer of {layer.size / 2**20:,.1f} MiB.")
            yield Built(layer, resolved)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    @asynccontextmanager
    async def program(self) -> AsyncIterator[Layer]:
        """Our own package, which runs a model."""
        folder = await self._scratch()
        try:
            yield await asyncio.to_thread(write_layer, folder / "layer", self._program)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    @cached_property
    def program_digest(self) -> str:
        """Another one with every change of our own package."""
        digest = hashlib.sha256()
        for each in self._program:
            digest.update(f"{each.name}\0".encode())
            digest.update(each.path.read_bytes())
        return digest.hexdigest()

    @property
    def _program(self) -> Iterator[Copy]:
        """Looked for as they are taken."""
        entries = tree(self._runtime, RUNTIME.lstrip("/"))
        return (each for each in entries if "__pycache__" not in each.name)

    async def _scratch(self) -> Path:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        return Path(await asyncio.to_thread(mkdtemp, dir=self._folder))

    async def _install(
        self, spec: EnvironmentSpec, platform: Platform, folder: Path, lock: str, say: Say
    ) -> None:
        machine = _MACHINES.get(platform.architecture)
        if platform.os != "linux" or machine is None:
            why = f"{platform.os}/{platform.architecture} is no platform that models run on."
            raise StartFailure("ImageBuildFailure", why)
        meant = replace(self._packages.meant(spec), image=None, build=None)
        try:
            opened = await self._packages.credentials(meant)
        except PackageSourceRefused as error:
            raise StartFailure("ImageBuildFailure", str(error)) from None
        wish, kept = folder / "spec.json", folder / "lock"
        await asyncio.to_thread(wish.write_text, self._packages.as_json(meant))
        command = [sys.executable, "-I", str(self._runtime), "layer", "--spec", str(wish)]
        command += ["--target", str(folder / "made"), "--uv", self._uv]
        command += ["--platform", f"{machine}-{_GLIBC}", "--place", f"/{_site(spec.python)}"]
        command += ["--deadline", str(_DEADLINE)]
        if lock:
            await asyncio.to_thread(kept.write_text, lock)
            command += ["--lock", str(kept)]
        told: list[str] = []
        status = await self._run(command, folder, opened, lambda line: _both(told, say, line))
        if status != 0:
            tail = "\n".join(told[-_TAIL:])
            raise StartFailure("ImageBuildFailure", f"The environment's build failed.\n{tail}")

    async def _run(
        self, command: list[str], folder: Path, opened: Mapping[str, Credentials], say: Say
    ) -> int:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env=process_environment.for_build(self._packages.build_variables),
            start_new_session=True,
            limit=2**20,
        )
        entry, printed = process.stdin, process.stdout
        if entry is None or printed is None:
            raise StartFailure("ImageBuildFailure", "The build has no pipes.")
        try:
            pairs = {url: [each.username, each.password] for url, each in opened.items()}
            # It stays open: its end would say that this host has gone.
            entry.write(f"{json.dumps(pairs)}\n".encode())
            async with asyncio.timeout(_DEADLINE + 30):
                async for line in printed:
                    say(line.decode(errors="replace").rstrip())
                return await process.wait()
        except TimeoutError:
            say("The build was stopped: it did not end in time.")
            return -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())


def _both(told: list[str], say: Say, line: str) -> None:
    told.append(line)
    del told[: -2 * _TAIL]
    say(line)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _site(version: str) -> str:
    return f"{ENVIRONMENT}/lib/python{_minor(version)}/site-packages".lstrip("/")


def _wrapper(python: BasePython) -> bytes:
    """A link would hide from that Python which environment it is of."""
    return f'#!/bin/sh\nexec {python.path} "$@"\n'.encode()


def _environment(made: Path, python: BasePython, lock: str) -> Iterator[Entry]:
    """A virtual environment as venv makes it, on a Python that is not here."""
    home = python.real.rpartition("/")[0]
    settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {python.version}\n"
    root = ENVIRONMENT.lstrip("/")
    yield Text(f"{root}/pyvenv.cfg", settings.encode())
    yield Text(LOCK.lstrip("/"), lock.encode())
    for name in ("python", "python3", f"python{python.version}"):
        yield Link(f"{root}/bin/{name}", python.real)
    packages = made / "packages"
    for each in tree(packages, _site(python.version)):
        inner = each.path.relative_to(packages)
        if inner.parts[0] != "bin":
            yield each
        elif inner.name not in ("python", "python3"):
            yield _script(each, f"{root}/{inner.as_posix()}")


def _script(entry: Copy, name: str) -> Entry:
    """With the Python of the image instead of the one that has installed it."""
    content = entry.path.read_bytes()
    first, _, rest = content.partition(b"\n")
    if first == b"#!/bin/sh" and rest.startswith(b"'''exec'"):
        rest = rest.split(b"\n", 2)[2]  # where the name of that Python is too long
    elif not (first.startswith(b"#!") and b"python" in first):
        return Copy(name, entry.path)
    return Text(name, b"#!" + PYTHON.encode() + b"\n" + rest, 0o755)
