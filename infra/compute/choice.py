"""Which compute models run on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from domain.ports import BlobStore, Capabilities, Scorer, Serving, Workers
from infra.compute.package_sources import PackageSources
from infra.compute.succession import Succession
from infra.settings.adapters import ComputeKind, ComputeSettings

if TYPE_CHECKING:
    from infra.compute.local.local_limits import LocalLimits
    from infra.compute.local.serving.instance_figures import Running


@dataclass(frozen=True)
class Compute:
    """One family of adapters. `start` may be left out: each begins at its first use. `close` at
    the end."""

    capabilities: Capabilities
    serving: Serving
    scorer: Scorer
    workers: Workers
    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    running: "Running | None" = None
    """What can be measured of instances, where this host runs them."""
    succession: Succession | None = None
    """What it asks for that another host follows this one, where this host runs them."""


def chosen_compute(
    kind: ComputeKind,
    settings: ComputeSettings,
    data_dir: Path,
    blobs: BlobStore,
    blob_files: Path | None,
    packages: PackageSources,
) -> Compute:
    """Opens nothing. `settings` say how much of this machine it may have. What it keeps on it is
    under `data_dir`; `blob_files` is where `blobs` are plain files of this machine, and
    environments' packages come from `packages`."""
    match kind:
        case "local":
            from uv import find_uv_bin

            from infra.compute.local.files.outputs import Outputs, OutputsInPlace
            from infra.compute.local.files.uploaded_outputs import UploadedOutputs
            from infra.compute.local.local_compute import LocalCompute

            outputs: Outputs = (
                OutputsInPlace(blob_files)
                if blob_files is not None
                else UploadedOutputs(data_dir / "compute" / "outputs", blobs)
            )
            local = LocalCompute(
                data_dir,
                blobs,
                outputs,
                uv=find_uv_bin(),
                packages=packages,
                limits=_limits(settings),
            )
            return Compute(
                capabilities=local.capabilities,
                serving=local.serving,
                scorer=local.scorer,
                workers=local.workers,
                start=local.start,
                close=local.close,
                running=local.serving,
                succession=local.succession,
            )
        case "none":
            from infra.compute.no_compute import (
                NoCapabilities,
                NoScorer,
                NoServing,
                NoWorkers,
                nothing,
            )

            return Compute(
                capabilities=NoCapabilities(),
                serving=NoServing(),
                scorer=NoScorer(),
                workers=NoWorkers(),
                start=nothing,
                close=nothing,
            )


def _limits(settings: ComputeSettings) -> "LocalLimits":
    from infra.compute.local.local_limits import LocalLimits
    from infra.compute.local.machine.room import default_memory

    return LocalLimits(
        memory=settings.machine_memory or default_memory(),
        memory_overcommit=settings.memory_overcommit,
        core_overcommit=settings.core_overcommit,
        kept_environments=settings.unused_environments,
        kept_age=timedelta(days=settings.unused_environment_days),
    )
