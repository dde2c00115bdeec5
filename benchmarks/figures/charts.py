"""How long charts of figures over time take, from an embedded host's store.

    python -m benchmarks.figures.charts [--rounds N]

A week of one endpoint's 20 series is there by the hour and by the minute, beside those of nineteen
other endpoints. Each chart is asked for as the door does: read, added up and written as JSON. Times
are of the processor, of all the process's threads, so that a busy machine does not count.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from domain.figures.figure_gathering import FigureGathering
from domain.figures.figure_reading import FigureReading
from domain.figures.latency_bands import band
from domain.figures.metrics import ENDPOINTS
from domain.figures.outside_figures import NoOutsideFigures
from domain.ground.counting.tally import endpoint_subject
from domain.ports.records.figure_store import Amounts, Bucket, Series, counted
from handlers.figures.metric_asking import Asking
from handlers.figures.metric_view import render
from infra.clock import SystemClock
from infra.embedded.database.sqlite_figure_store import SqliteFigureStore

MINUTE, HOUR, WEEK = 60, 3600, 7 * 86400
DEPLOYMENTS = [f"deployment-{number}" for number in range(10)]
KEEPS = {1: timedelta(minutes=15), MINUTE: timedelta(days=7), HOUR: timedelta(days=365)}
LATENCIES = Amounts(
    600, 6000.0, 4.0, 80.0, {band(milliseconds): 20 for milliseconds in range(4, 64, 2)}
)
CHARTS = {
    "20 series, a week by the hour": {"interval": "PT1H"},
    "20 series, a week by half hours": {"interval": "PT30M"},
    "20 series, a day by the minute": {"interval": "PT1M", "timespan": "P1D"},
    "20 series, a week in one": {"interval": "FULL"},
}


def week(now: int) -> Iterator[Bucket]:
    """Two metrics, by ten deployments, of twenty endpoints; by the minute of the first alone."""
    for number in range(20):
        subject = endpoint_subject(f"endpoint-{number}")
        series = {
            Series(subject, "RequestsPerMinute", (each, "200", "200")): counted(600)
            for each in DEPLOYMENTS
        }
        latencies = {Series(subject, "RequestLatency", (each,)): LATENCIES for each in DEPLOYMENTS}
        for step in (HOUR, MINUTE) if number == 0 else (HOUR,):
            first = (now - WEEK) // step * step
            for at in range(first, now, step):
                yield Bucket(step, at, series | latencies)


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = SystemClock()
        store = SqliteFigureStore(
            Path(folder) / "figures.db", keeps=KEEPS, max_bytes=2**30, now=time.time
        )
        batch: list[Bucket] = []
        for bucket in week(int(time.time())):
            batch.append(bucket)
            if len(batch) == 200:
                await store.put("gateway", batch)
                batch = []
        await store.put("gateway", batch)
        gathering = FigureGathering(store, clock, (), capacity=2000)
        reading = FigureReading(store, gathering, clock, NoOutsideFigures())
        for name, asked in CHARTS.items():
            taken = [await _chart(reading, asked) for _ in range(rounds)]
            sys.stdout.write(
                f"{name}: {statistics.median(taken):.1f} ms (the longest of {rounds}: "
                f"{max(taken):.1f})\n"
            )
        await store.close()


async def _chart(reading: FigureReading, asked: dict[str, str]) -> float:
    parameters = {
        "metricnames": "RequestsPerMinute,RequestLatency_P95",
        "timespan": "P7D",
        "$filter": "deployment eq '*'",
        "aggregation": "Average",
        "top": "20",
        **asked,
    }
    started = time.process_time()
    query = Asking(parameters, ENDPOINTS, endpoint_subject("endpoint-0"), reading).query(
        datetime.now(UTC)
    )
    answers = await reading.read(query)
    shown = json.dumps(render("/an/id", ENDPOINTS, "here", query, answers))
    taken = 1000 * (time.process_time() - started)
    assert shown.count('"metadatavalues"') == 20, shown[:500]
    return taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    uvloop.run(main(parser.parse_args().rounds))
