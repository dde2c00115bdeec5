"""How long the overview of 1,000 endpoints takes on an embedded host's stores.

    python -m benchmarks.figures.overview [--endpoints N] [--rounds N]

Each endpoint has a deployment that is in use: requests and latencies in each of the last minutes.
The first read understands every document; later ones what has changed. Times are of the
processor, of all the process's threads, so that a busy machine does not count.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from domain.application import Application
from domain.figures.latency_bands import band
from domain.ground.access import trusted
from domain.ground.counting.tally import endpoint_subject
from domain.ground.keys import SealedKeys
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import to_body
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment, OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.ports import Create
from domain.ports.records.figure_store import Amounts, Bucket, Series, counted
from handlers.addresses import Addresses
from handlers.admission import Admission
from handlers.figures.overview import render, written
from handlers.http import Routes
from infra.clock import SystemClock
from infra.composition import compose
from infra.embedded.services import EmbeddedServices
from infra.settings import Settings

LATENCIES = Amounts(600, 6000.0, 4.0, 30.0, {band(each): 60 for each in range(4, 24, 2)})


async def main(endpoints: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = {"ML_ENDPOINTS_PLATFORM": "embedded", "ML_ENDPOINTS_DATA_DIR": folder}
        settings = Settings.read(told, Path(folder) / "none.json")
        application = compose(settings)
        services = EmbeddedServices.open(settings)
        await _put(services, endpoints)
        routes = _routes(application)
        # As a host does once it has come up.
        gc.collect()
        gc.freeze()
        taken = []
        for _ in range(rounds + 1):
            taken.append(await _read(application, routes, endpoints))
            # What has been read is shown to all who ask within a second.
            await asyncio.sleep(1.1)
        first, *others = taken
        sys.stdout.write(
            f"overview of {endpoints} endpoints: {statistics.median(others):.1f} ms (the longest "
            f"of {rounds}: {max(others):.1f}; the first of a host: {first:.1f})\n"
        )
        await application.close()
        await services.close()


def _routes(application: Application) -> Routes:
    a = application
    admission = Admission(a.verifiers.control, a.audit, lambda _, answer: answer())
    return Routes(admission, admission, a.scope, Addresses(a.base_url, None, a.callers, None))


async def _read(application: Application, routes: Routes, endpoints: int) -> float:
    started = time.process_time()
    found = await application.overview.read()
    shown = written(render(routes, trusted("a benchmark"), found))
    taken = 1000 * (time.process_time() - started)
    assert shown.count(b'"latencyP95":2') == 2 * endpoints, shown[:1000]
    return taken


async def _put(services: EmbeddedServices, endpoints: int) -> None:
    store, now = services.stores.store, SystemClock().now()
    about = {
        "location": "local",
        "provisioning_state": ProvisioningState.SUCCEEDED,
        **{"created_at": now, "modified_at": now},
        **{"created_by": "a benchmark", "modified_by": "a benchmark"},
    }
    keys = SealedKeys.generate(services.stores.cipher, None, None)
    series: dict[Series, Amounts] = {}
    for number in range(endpoints):
        name = f"endpoint-{number}"
        endpoint = OnlineEndpoint(
            name=name,
            properties=OnlineEndpointProperties(traffic={"blue": 100}),
            sealed_keys=keys,
            **about,
        )
        deployment = OnlineDeployment(
            name="blue", endpoint=name, properties=OnlineDeploymentProperties(), **about
        )
        creates = [
            Create(online_endpoint.DOCUMENT_ID, to_body(online_endpoint.KIND, endpoint)),
            Create(
                online_deployment.document_id("blue"),
                to_body(online_deployment.KIND, deployment),
            ),
        ]
        await store.transact(online_endpoint.partition(name), creates)
        subject = endpoint_subject(name)
        series[Series(subject, "RequestsPerMinute", ("blue", "200", "200"))] = counted(600)
        series[Series(subject, "RequestLatency", ("blue",))] = LATENCIES
    minute = int(now.timestamp()) // 60
    buckets = [Bucket(60, 60 * (minute + each), series) for each in range(-4, 1)]
    await services.stores.figures.put("gateway", buckets)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    uvloop.run(main(arguments.endpoints, arguments.rounds))
