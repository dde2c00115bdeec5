"""What images are made of, and where they go."""

from dataclasses import dataclass
from pathlib import Path

from domain.ports import BlobStore, Credentials, EnvironmentSpec, ResourceStore
from infra.compute.package_sources import PackageSources


@dataclass(frozen=True)
class BaseImage:
    """What environments are built on: `{python}` in its name stands for the wanted version."""

    name: str

    def of(self, spec: EnvironmentSpec) -> str:
        return self.name.replace("{python}", spec.python)


@dataclass(frozen=True)
class RegistryPlace:
    """`url` is that of a registry with the path that repositories of ours are below."""

    url: str
    credentials: Credentials | None
    base_refresh_hours: float
    patience: float
    """Seconds for which a deployment waits for it while it is down."""


@dataclass(frozen=True)
class Making:
    """What images are made of and with, below `folder`."""

    blobs: BlobStore
    store: ResourceStore
    base: BaseImage
    folder: Path
    runtime: Path
    uv: str
    packages: PackageSources
