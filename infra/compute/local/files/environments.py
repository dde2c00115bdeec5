"""Virtual environments by the hash of their spec, each built once and shared."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from domain.ports import NO_INDEXES, Credentials, EnvironmentBuild, EnvironmentSpec
from infra.compute.ground import process_environment
from infra.compute.ground.build_variables import withheld
from infra.compute.ground.failure import StartFailure
from infra.compute.local.files import unused_environments
from infra.compute.local.files.pythons import Pythons
from infra.compute.local.files.unused_environments import COMPLETE
from infra.compute.local.processes.instance_log import InstanceLog
from infra.compute.local.processes.process_groups import ProcessGroups
from infra.compute.package_sources import PackageSourceRefused, PackageSources

_TAIL: Final = 40
_WHOLE: Final = 100_000
LOCK: Final = "requirements.lock"
"""Where the builder keeps what it has resolved."""


def _key_of(spec: EnvironmentSpec, strategy: str) -> str:
    """The order of requirements does not matter, that of indexes does."""
    text: list[object] = [spec.python, sorted(spec.requirements)]
    if spec.indexes != NO_INDEXES:
        indexes = spec.indexes
        text += [indexes.index_url, indexes.extra_index_urls, indexes.find_links, strategy]
    if spec.uploaded_before is not None:
        text.append({"uploaded_before": spec.uploaded_before})
    return hashlib.sha256(json.dumps(text).encode()).hexdigest()[:32]


class Environments:
    """Builds under `root`, at most `max_builds` at a time. A build is one task that all who
    need it share; it goes on when they stop waiting, until its own `deadline` (seconds)."""

    def __init__(
        self,
        root: Path,
        processes: ProcessGroups,
        *,
        pythons: Pythons,
        python: str,
        runtime: Path,
        packages: PackageSources,
        max_builds: int,
        deadline: float,
    ) -> None:
        self._root = root
        self._processes = processes
        self.pythons = pythons
        self._python = python
        self._runtime = runtime
        self._packages = packages
        self._slots = asyncio.Semaphore(max_builds)
        self._deadline = deadline
        self._builds: dict[str, asyncio.Task[Path]] = {}

    def sweep(self) -> None:
        """Remove what a killed build left."""
        self._root.mkdir(parents=True, exist_ok=True)
        for entry in self._root.iterdir():
            if entry.is_dir() and not (entry / COMPLETE).is_file():
                shutil.rmtree(entry, ignore_errors=True)

    def key_of(self, spec: EnvironmentSpec) -> str:
        """The hash that names a spec's environment, with the indexes that its packages come
        from."""
        return _key_of(self._packages.meant(spec), self._packages.strategy)

    async def ensure(self, spec: EnvironmentSpec) -> Path:
        """The built environment's folder. Raises StartFailure with the tool's own output; the
        next call tries again."""
        if spec.needs_image:
            raise StartFailure("ImageBuildFailure", told_of_image(spec))
        key = self.key_of(spec)
        target = self._root / key
        build = self._builds.get(key)
        if build is None:
            if _is_complete(target):
                os.utime(target)
                return target
            build = asyncio.create_task(self._build(spec, target), name=f"build {key}")
            self._builds[key] = build
            build.add_done_callback(lambda _: self._builds.pop(key, None))
        return await asyncio.shield(build)

    def built(self, spec: EnvironmentSpec) -> Path | None:
        """Where it is; None where it is not built."""
        target = self._root / self.key_of(spec)
        return target if _is_complete(target) else None

    async def build_of(self, spec: EnvironmentSpec) -> EnvironmentBuild | None:
        """None where it is not built. One that an older version has built has no lock."""
        folder = self.built(spec)
        if folder is None:
            return None
        lock, log = folder / LOCK, self.log(spec)
        return await asyncio.to_thread(lambda: EnvironmentBuild(_text_of(lock), log.tail(_WHOLE)))

    def log(self, spec: EnvironmentSpec) -> InstanceLog:
        """What building it printed, last time."""
        return InstanceLog(self._root / f"{self.key_of(spec)}.log")

    def touch(self, spec: EnvironmentSpec) -> None:
        """It is run from still."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._root / self.key_of(spec))

    def prune(self, in_use: set[str], keep: int, before: float) -> None:
        """As unused_environments.prune has it."""
        unused_environments.prune(self._root, in_use, set(self._builds), keep, before)

    async def close(self) -> None:
        builds = list(self._builds.values())
        for build in builds:
            build.cancel()
        await asyncio.gather(*builds, return_exceptions=True)

    async def _build(self, spec: EnvironmentSpec, target: Path) -> Path:
        async with self._slots:
            log = self.log(spec)
            meant = self._packages.meant(spec)
            try:
                opened = await self._packages.credentials(meant)
            except PackageSourceRefused as error:
                raise StartFailure("ImageBuildFailure", str(error)) from None
            spec_file = self._root / f"{target.name}.json"
            await asyncio.to_thread(
                _prepare,
                self._packages.as_json(meant),
                spec_file,
                self._root / f"{target.name}.log",
            )
            allowed = self._packages.build_variables
            if left_out := withheld(os.environ, allowed):
                log.note(
                    f"Not handed on to the build: {', '.join(left_out)}. Who runs the host may name"
                    " them in ML_ENDPOINTS_BUILD_VARIABLES, or an index in its own setting."
                )
            command = [self._python, "-I", str(self._runtime), "build"]
            command += ["--spec", str(spec_file), "--target", str(target), "--uv", self.pythons.uv]
            command += self.pythons.arguments
            command += ["--deadline", str(self._deadline), "--lifeline", "--credentials"]
            output = log.open()
            try:
                group = await self._processes.spawn(
                    command,
                    environment=process_environment.for_build(allowed),
                    cwd=self._root,
                    output=output,
                )
            finally:
                os.close(output)
            try:
                await asyncio.to_thread(_hand_over, opened, group.lifeline)
                async with asyncio.timeout(self._deadline + 30):
                    status = await group.process.wait()
            except TimeoutError:
                status = -1
                log.note("The build was stopped: it did not end in time.")
            finally:
                group.kill()
                await asyncio.shield(group.process.wait())
                self._processes.end(group)
            if status != 0 or not _is_complete(target):
                tail = await asyncio.to_thread(log.tail, _TAIL)
                raise StartFailure("ImageBuildFailure", f"The environment's build failed.\n{tail}")
            return target


def told_of_image(spec: EnvironmentSpec) -> str:
    """Why an environment that is an image is not run as processes."""
    what = f"the image '{spec.image}'" if spec.image is not None else "an image that is built"
    return (
        f"The environment is {what}, and models are processes of this machine here. Give a "
        "condaFile, alone or beside one of Azure ML's base images (docs/curated-environments.md), "
        "or run models in containers (ML_ENDPOINTS_COMPUTE=docker, docs/containers.md)."
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _prepare(spec: str, spec_file: Path, log_file: Path) -> None:
    spec_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.unlink(missing_ok=True)
    spec_file.write_text(spec)


def _hand_over(opened: Mapping[str, Credentials], lifeline: int) -> None:
    """By a pipe, which nobody but the builder reads: files, arguments and variables have more
    readers."""
    line = json.dumps({url: [each.username, each.password] for url, each in opened.items()})
    with contextlib.suppress(BrokenPipeError):  # it has ended, and its log says why
        os.write(lifeline, f"{line}\n".encode())


def _is_complete(target: Path) -> bool:
    """Built to the end, and the Python it was made from is still there."""
    return (target / COMPLETE).is_file() and (target / "bin" / "python").exists()
