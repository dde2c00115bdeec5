import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import azure.functions as func
import httpx
import pytest

from handlers.data import caller, scoring
from handlers.http import Routes
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.host.functions import index
from infra.embedded.host.http_app import HttpApp
from infra.embedded.http.http_server import HttpServer
from tests.handlers.data.scoring_door import AUTHORIZATION, Stage
from tests.kit.stages.ample_door import AMPLE
from tests.kit.stages.isolation import NO_SCRIPTS
from tests.kit.stages.scoring_stage import Endpoints, WatchedStore
from tests.kit.waiting import PATIENCE


@pytest.fixture
async def stage(
    tmp_path: Path, routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setattr(caller, "STALL_LIMIT", PATIENCE)
    real = SqliteResourceStore(tmp_path / "documents.db")
    stage = Stage(WatchedStore(real))
    endpoints = Endpoints(real)
    await endpoints.put("iris", {"blue": 100})
    await endpoints.put_deployment("iris", "blue", max_concurrent=4)
    stage.compute.start("iris", "blue")
    app = func.FunctionApp()
    app.register_functions(scoring.blueprint(routes, stage.scoring))
    asgi: Any = HttpApp(
        index(app, {}),
        exact={},
        prefixes=(),
        scripts=NO_SCRIPTS,
        route_prefix="",
        log_requests=False,
    )
    bound = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(asgi, bound, None, limits=AMPLE, headers=(), grace=1)
    await server.start()
    stage.port = bound.getsockname()[1]
    url = f"http://127.0.0.1:{stage.port}"
    async with httpx.AsyncClient(base_url=url, headers=AUTHORIZATION, timeout=PATIENCE) as client:
        stage.client = client
        yield stage
    await server.stop()
    await real.close()
