"""The HTTP of registries' own builds: Azure Resource Manager's part, and the blobs that its links
lead to."""

import asyncio
import re
from typing import Final

from aiohttp import web

from tests.servers.arm.registry_runs import RegistryRuns

REGISTRIES: Final = (
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerRegistry"
    r"/registries/[^/]+"
)
VERSION: Final = "2019-04-01"
_SIGNED: Final = "sig=of-the-stand-in"
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


class RegistryRoutes:
    """`url` is told once it listens."""

    def __init__(self, runs: RegistryRuns) -> None:
        self.runs = runs
        self.url = ""
        self._working: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        self.runs.may_go_on.set()
        await asyncio.gather(*self._working, return_exceptions=True)

    # -- Azure Resource Manager's

    async def upload_place(self, request: web.Request) -> web.StreamResponse:
        self.runs.registry(request.path.removesuffix("/listBuildSourceUploadUrl"))
        place = self.runs.place()
        link = f"{self.url}/acr/uploads/{place}?{_SIGNED}"
        return web.json_response({"uploadUrl": link, "relativePath": place})

    async def schedule(self, request: web.Request) -> web.StreamResponse:
        registry = request.path.removesuffix("/scheduleRun")
        run = self.runs.begin(registry, await request.json())
        task = asyncio.create_task(asyncio.to_thread(self.runs.work, run))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return web.json_response(run.shown, status=202)

    async def listed(self, request: web.Request) -> web.StreamResponse:
        found = self.runs.newest(request.path.removesuffix("/runs"))
        shown = [each.shown for each in found[: int(request.query.get("$top", 100))]]
        return web.json_response({"value": shown})

    async def get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.runs.run(request.path).shown)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        self.runs.cancel(request.path.removesuffix("/cancel"))
        return web.Response(status=202)

    async def log_link(self, request: web.Request) -> web.StreamResponse:
        run = self.runs.run(request.path.removesuffix("/listLogSasUrl"))
        return web.json_response({"logLink": f"{self.url}/acr/logs{run.id}?{_SIGNED}"})

    # -- blobs

    async def put_blob(self, request: web.Request) -> web.StreamResponse:
        is_well = request.headers.get("x-ms-blob-type") == "BlockBlob"
        if request.query_string != _SIGNED or not is_well:
            return web.Response(status=403)
        self.runs.uploads[request.match_info["place"]] = await request.read()
        return web.Response(status=201)

    async def read_log(self, request: web.Request) -> web.StreamResponse:
        if request.query_string != _SIGNED or "Authorization" in request.headers:
            return web.Response(status=403)
        content = bytes(self.runs.run(request.match_info["run"]).log)
        asked = _RANGE.fullmatch(request.headers.get("Range", "bytes=0-"))
        start = int(asked[1]) if asked is not None else 0
        if start >= len(content):
            return web.Response(status=416)
        return web.Response(status=206, body=content[start:])
