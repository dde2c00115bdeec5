"""The app under Microsoft's own Functions worker: indexed as it would be deployed, each kind of
trigger fired, bodies streamed both ways."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.kit.loopback_telemetry import Collector
from tests.kit.stages.scoring_stage import PRIMARY
from tests.worker.functions_host import FunctionsHost

ROOT = Path(__file__).parents[2]
Start = Callable[..., Awaitable[FunctionsHost]]
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/workspace"
)
SCOPE = ("00000000-0000-0000-0000-000000000000", "local", "workspace")
ENDPOINT = {
    "location": "local",
    "properties": {"authMode": "Key"},
}

TOKEN = """
from infra.embedded.services import EmbeddedServices
[services] = EmbeddedServices._opened.values()
clients = services.registry
client = clients.connection_client()
return services.issuer.issue(clients.authenticate(client.client_id, client.client_secret))
"""

RECEIVE = """
from datetime import timedelta
from infra.embedded.services import EmbeddedServices
[services] = EmbeddedServices._opened.values()
[message] = await services.stores.consumer.receive("provisioning", 10, timedelta(minutes=1))
return {"body": message.body.decode(), "properties": dict(message.properties)}
"""

DROP = """
from infra.embedded.services import EmbeddedServices
[services] = EmbeddedServices._opened.values()
await services.stores.blobs.write("batch-inbox", "digits/rows.csv", b"1,2")
"""

ARRIVED = """
from domain.drops import blob_drop
from infra.embedded.services import EmbeddedServices
[services] = EmbeddedServices._opened.values()
found = await services.stores.store.query(blob_drop.ARRIVAL_KIND)
return [document.body for document in found.documents]
"""

NEWS = '''
"""The app, told of its inbox by a queue as in Azure, on stores of this machine."""

import os

import azure.functions as func

from handlers.messages import arrivals
from infra.composition import compose
from infra.settings import Settings

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
application = compose(Settings.read(os.environ))
app.register_functions(arrivals.blueprint(application.drops.dropping, application.giving_back))
'''

FLUSH = """
from opentelemetry import trace
return trace.get_tracer_provider().force_flush()
"""

ECHO = '''
"""The scoring functions, over an instance that gives back every piece as it comes."""

from pathlib import Path

import azure.functions as func

from domain.names import WorkspaceScope
from domain.scoring.online_routing import RouteTable
from domain.ports import ScoringResponse
from handlers.addresses import Addresses
from handlers.data import scoring
from handlers.http import Routes
from infra.clock import SystemClock
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.web.client_address import TrustedProxies
from tests.kit.stages.scoring_stage import Endpoints, scoring_on
from tests.kit.scorers import ScriptedScorer
from tests.kit.composed import admission
from tests.kit.computes import StaticServing, known


def echo(instance, request):
    if isinstance(request.body, bytes):
        return ScoringResponse(200, [("content-length", str(len(request.body)))], request.body)

    async def pieces():
        async for piece in request.body:
            yield piece.upper()

    return ScoringResponse(200, [("content-type", "text/plain")], pieces())


store = SqliteResourceStore(Path("documents.db"))
compute = StaticServing()
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
routes = RouteTable(store, SystemClock(), read_limit=180, refresh=known)
activity = scoring_on(routes, compute, ScriptedScorer(echo))
addresses = Addresses("", None, TrustedProxies((), "x-forwarded"), None)
app.register_functions(
    scoring.blueprint(
        Routes(
            admission(None, store), admission(None, store), WorkspaceScope("", "", ""), addresses
        ),
        activity,
    )
)


async def prepare():
    endpoints = Endpoints(store)
    await endpoints.put("iris", {"blue": 100})
    await endpoints.put_deployment("iris", "blue")
    compute.start("iris", "blue")
'''


async def pieces(count: int) -> AsyncIterator[bytes]:
    """A body that is longer than what is taken whole."""
    for number in range(count):
        yield f"piece {number};".encode() * 1000
        await asyncio.sleep(0)


async def open_to_anybody(host: FunctionsHost) -> dict[str, int]:
    """Every function by every method, asked without a credential: each answers, or the worker
    would wait for ever. Those that let the caller in, and how."""
    known = dict(zip(("subscription", "resource_group", "workspace"), SCOPE, strict=True))
    found = {}
    for function in host.functions.values():
        if function.trigger["type"] != "httpTrigger":
            continue
        path = re.sub(r"{\*?(\w+)}", lambda m: known.get(m[1], "some"), function.trigger["route"])
        for method in function.trigger["methods"]:
            answer = await host.request(method, f"/{path}")
            if answer.status_code not in (401, 403):
                found[function.name] = answer.status_code
    return found


async def test_the_deployed_package_runs_under_the_worker(start: Start, package: Path) -> None:
    host = await start(package, ML_ENDPOINTS_PLATFORM="embedded")
    types = {f.trigger["type"] for f in host.functions.values()}
    assert types == {"httpTrigger", "serviceBusTrigger", "blobTrigger", "timerTrigger"}

    found = await open_to_anybody(host)
    always = {"get_discovery", "get_health", "get_openapi", "get_readiness"}
    assert {name for name, status in found.items() if status == 200} - {"get_studio"} == always
    # There is no such endpoint, and no such page, which anybody may know.
    absent = ("score_", "get_online_endpoint_openapi", "get_studio", "change_studio_session")
    assert {name for name, status in found.items() if status == 404} <= {
        name for name in host.functions if name.startswith(absent)
    }
    assert set(found.values()) == {200, 404}

    # HTTP: an endpoint is asked for.
    headers = {"authorization": f"Bearer {await host.run(TOKEN)}"}
    path = f"{WORKSPACE}/onlineEndpoints/iris?api-version=2024-10-01"
    made = await host.request("PUT", path, headers=headers, json=ENDPOINT)
    assert made.status_code == 201, made.text
    assert made.json()["properties"]["provisioningState"] == "Creating"
    assert (await host.request("GET", path)).status_code == 401

    # Queue: the message that this sent is delivered, and the endpoint is there.
    message = await host.run(RECEIVE)
    await host.message("reconcile", message["body"].encode(), message["properties"])
    shown = await host.request("GET", path, headers=headers)
    assert shown.json()["properties"]["provisioningState"] == "Succeeded"

    # Blob: an arrival is gathered.
    await host.run(DROP)
    metadata = {
        "Name": {"string": "batch-inbox/digits/rows.csv"},
        "BlobTrigger": {"string": "batch-inbox/digits/rows.csv"},
        "Uri": {"string": "https://st.blob.core.windows.net/batch-inbox/digits/rows.csv"},
        "Properties": {"json": json.dumps({"Length": 3})},
        "Metadata": {"json": "{}"},
    }
    await host.invoke("gather_input_blob", {"bytes": "MSwy"}, metadata)
    assert [arrival["arrival"]["name"] for arrival in await host.run(ARRIVED)] == [
        "digits/rows.csv"
    ]

    # Timer.
    timer: dict[str, object] = {"Schedule": {}, "ScheduleStatus": None, "IsPastDue": False}
    await host.invoke("sweep", {"json": json.dumps(timer)})


async def test_event_grid_s_news_of_a_blob_is_taken_under_the_worker(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "news"
    folder.mkdir()
    (folder / "function_app.py").write_text(NEWS)
    host = await start(folder, PYTHONPATH=str(ROOT), ML_ENDPOINTS_PLATFORM="embedded")
    await host.run(DROP)
    event = {
        "type": "Microsoft.Storage.BlobCreated",
        "subject": "/blobServices/default/containers/batch-inbox/blobs/digits/rows.csv",
        "time": "2026-01-02T03:04:05.6789Z",
        "data": {"url": "https://st.blob.core.windows.net/batch-inbox/digits/rows.csv"},
    }
    await host.message("gather_arrival", json.dumps(event).encode(), {})
    assert [arrival["arrival"]["name"] for arrival in await host.run(ARRIVED)] == [
        "digits/rows.csv"
    ]


async def test_bodies_stream_both_ways_under_the_worker(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "function_app.py").write_text(ECHO)
    host = await start(folder, PYTHONPATH=str(ROOT))
    await host.run("await app.prepare()")
    headers = {"authorization": f"Bearer {PRIMARY}"}
    path = "/endpoints/iris/score"

    whole = await host.request("POST", path, headers=headers, content=b"whole")
    assert (whole.status_code, whole.content) == (200, b"whole")

    streamed = await host.request("POST", path, headers=headers, content=pieces(20))
    assert streamed.status_code == 200
    assert streamed.content == b"".join([piece async for piece in pieces(20)]).upper()

    said = [b"one", b"two", b"three"]
    assert await host.converse("POST", path, headers, said) == [b"ONE", b"TWO", b"THREE"]


async def test_traces_go_on_under_the_worker(start: Start, package: Path) -> None:
    trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with Collector() as collector:
        host = await start(
            package,
            ML_ENDPOINTS_PLATFORM="embedded",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        )
        headers = {
            "authorization": f"Bearer {await host.run(TOKEN)}",
            "traceparent": f"00-{trace}-{caller}-01",
        }
        path = f"{WORKSPACE}/onlineEndpoints/iris"
        assert (await host.request("PUT", path, headers=headers, json=ENDPOINT)).is_success
        message = await host.run(RECEIVE)
        await host.message("reconcile", message["body"].encode(), message["properties"])
        await host.run(FLUSH)
    # FastAPI, in front of the functions there, tells of itself too.
    ours = [span for span in collector.spans if not span.name.startswith("fastapi.")]
    told = {(span.kind, span.name.split(" /")[0]) for span in ours}
    assert {span.trace for span in collector.spans} == {trace}
    assert told == {(2, "PUT"), (4, "send provisioning"), (5, "process provisioning")}
