"""Registries that the tests are given."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.engine.required import without
from tests.servers.registry.docker_registry import DockerRegistry, RegistryMissing


@contextmanager
def given_registry(
    folder: Path, auth: Mapping[str, Any] | None = None, *, deletes: bool = True
) -> Iterator[DockerRegistry]:
    """One that nobody else uses; without one on this machine the test is skipped."""
    registry = DockerRegistry(folder, auth, deletes=deletes)
    try:
        registry.start()
    except RegistryMissing as error:
        without(str(error))
    try:
        yield registry
    finally:
        registry.stop()
