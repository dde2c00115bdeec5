"""Builds of which nothing runs: what a Dockerfile makes is an image of a few bytes."""

import asyncio
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.compute.registry.layer_file import write_layer
from infra.compute.registry.registry import Registry
from infra.compute.registry.registry_calls import RegistryCalls
from tests.kit.stages.registry_shelf import fake_python, put_image
from tests.servers.arm.registry_runs import Builds

FAILS: Final = "RUN it fails"


class PutBuilds(Builds):
    """Prints each line of the Dockerfile; one with `FAILS` in it does."""

    def build(
        self, context: bytes, dockerfile: str, name: str, say: Callable[[str], None]
    ) -> str | None:
        with tarfile.open(fileobj=io.BytesIO(context)) as tar:
            file = tar.extractfile(dockerfile)
            text = file.read().decode() if file is not None else ""
        for line in text.splitlines():
            say(line)
        if FAILS in text:
            return "executor failed running: exit code 3"
        asyncio.run(_put(name))
        return None


async def _put(name: str) -> None:
    host, _, rest = name.partition("/")
    repository, _, tag = rest.rpartition(":")
    registry = Registry(RegistryCalls(f"http://{host}", None))
    with TemporaryDirectory() as folder:
        layer = write_layer(Path(folder) / "layer", fake_python())
        await put_image(registry, repository, tag, layer.path, layer.diff_id)
    await registry.close()
