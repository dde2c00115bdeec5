"""Images that the engine builds, and what it says of that."""

import asyncio
import base64
import json
import tarfile
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NoReturn

from domain.assets.images.image_name import ImageName
from domain.ports import Credentials
from infra.compute.docker.engine import Engine, EngineRefusal
from infra.compute.docker.labels import Labels
from infra.compute.ground.failure import StartFailure

KEPT_LINES: Final = 2000
_TAIL: Final = 40

Story = deque[str]
"""The last lines of how an image came about."""


class ImageBuilds:
    """`credentials` open registries, by their hosts: the engine keeps none."""

    def __init__(self, engine: Engine, credentials: Mapping[str, Credentials]) -> None:
        self._engine = engine
        self._credentials = credentials

    async def is_there(self, name: str) -> bool:
        return await self._engine.find(f"images/{name}/json") is not None

    async def build(
        self,
        context: AbstractContextManager[Path],
        name: str,
        labels: Mapping[str, str],
        story: Story,
        *,
        arguments: Mapping[str, str] | None = None,
        dockerfile: str = "Dockerfile",
    ) -> None:
        """Raises StartFailure, with the end of what was printed. What is broken off has no name,
        and its containers go with it."""
        query: dict[str, Any] = {"t": name, "rm": True, "forcerm": True, "labels": labels}
        if arguments:
            query["buildargs"] = arguments
        if dockerfile != "Dockerfile":
            query["dockerfile"] = dockerfile
        failed: str | None = None
        opened = _header({host: _body(each) for host, each in self._credentials.items()})
        path = await asyncio.to_thread(context.__enter__)
        try:
            async for line in self._engine.build(path, opened, **query):
                if text := str(line.get("stream") or line.get("status") or "").rstrip():
                    story.extend(text.splitlines())
                if "error" in line:
                    failed = str(line["error"])
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
        if failed is not None:
            fail(f"The image could not be built: {failed}", story)

    async def pull(self, name: str, story: Story) -> None:
        """Have an image. Raises StartFailure."""
        if await self.is_there(name):
            story.append(f"The image {name} is there.")
            return
        story.append(f"Pulling {name}.")
        try:
            failed = await self._pulled(name, story)
        except EngineRefusal as refusal:
            failed = refusal.message
        if failed is not None:
            fail(f"The image {name} could not be pulled: {failed}", story)

    async def _pulled(self, name: str, story: Story) -> str | None:
        """Why not."""
        credentials = self._credentials.get(ImageName.parse(name).registry)
        opened = _header(_body(credentials)) if credentials is not None else None
        failed: str | None = None
        seen: set[str] = set()
        async for line in self._engine.pull(name, opened):
            told = " ".join(str(line[each]) for each in ("id", "status") if line.get(each))
            if told and told not in seen:
                seen.add(told)
                story.append(told)
            if "error" in line:
                failed = str(line["error"])
        return failed

    async def read(self, image: str, path: str, labels: Labels) -> bytes:
        """A file of an image; b'' where it has none."""
        body = {"Image": image, "Entrypoint": ["/never"], "Labels": labels.of_image("read")}
        made = await self._engine.post("containers/create", body)
        try:
            packed = await self._engine.text(f"containers/{made['Id']}/archive", path=path)
            with tarfile.open(fileobj=BytesIO(packed)) as tar:
                file = tar.extractfile(tar.getmembers()[0])
                return file.read() if file is not None else b""
        except EngineRefusal as refusal:
            if refusal.status != 404:
                raise
            return b""
        finally:
            await self._engine.delete(f"containers/{made['Id']}", force=True)

    async def tag(self, name: str, repository: str, tag: str) -> None:
        """By which what is not needed any more is found."""
        await self._engine.post(f"images/{name}/tag", repo=repository, tag=tag)


def _body(credentials: Credentials) -> Mapping[str, str]:
    return {"username": credentials.username, "password": credentials.password}


def _header(body: Mapping[str, Any]) -> str | None:
    """As engines take it."""
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode() if body else None


def fail(told: str, story: Story) -> NoReturn:
    """Raises StartFailure, with the end of the story."""
    story.append(told)
    tail = "\n".join(list(story)[-_TAIL:])
    raise StartFailure("ImageBuildFailure", f"{told}\n{tail}")
