"""How long a page of scoring requests takes to be found among many.

    python -m benchmarks.figures.requests [--records N]

Requests of three endpoints, as an embedded host keeps them. Each page has 100, newest first.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.ports.records.traffic_records import COLUMNS, TrafficQuery
from infra.embedded.database.sqlite_traffic_records import SqliteTrafficRecords

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 3
PAGES = {
    "newest": TrafficQuery("iris"),
    "5xx (1 in 1,000)": TrafficQuery("iris", statuses=((500, 599),)),
    "one deployment, slower than 900 ms": TrafficQuery("iris", "green", least_ms=900),
    "one caller": TrafficQuery("iris", caller="client:auditor"),
    "one request, the oldest": TrafficQuery("iris", request_id="request-0"),
    "nothing": TrafficQuery("iris", statuses=((418, 418),)),
}


def record(number: int, chance: random.Random) -> dict[str, object]:
    failed = chance.random() < 0.001
    told = {
        "TimeGenerated": (BEGAN + timedelta(milliseconds=50 * number)).isoformat(),
        "Method": "POST",
        "Path": "/score",
        "EndpointName": ("iris", "iris", "digits")[number % 3],
        "DeploymentName": ("blue", "green")[number % 2],
        "ResponseCode": 500 if failed else 200,
        "ResponseCodeReason": "InternalError" if failed else "",
        "ModelStatusCode": 200,
        "ModelStatusReason": "",
        "RequestPayloadSize": 300,
        "ResponsePayloadSize": 40,
        "UserAgent": "python-httpx/0.28.1",
        "XRequestId": f"request-{number}",
        "XMSClientRequestId": "",
        "TotalDurationMs": round(chance.random() * 901, 3),
        "RequestDurationMs": 0.4,
        "ResponseDurationMs": 0.0,
        "Caller": "client:auditor" if chance.random() < 0.0001 else "key:primary",
    }
    return {name: told[name] for name in COLUMNS}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        records = SqliteTrafficRecords(
            Path(folder) / "traffic.db", keep=timedelta(days=3650), max_bytes=2**40, now=time.time
        )
        chance, cpu = random.Random(1), time.process_time()
        for first in range(0, count, 1000):
            records.put([record(number, chance) for number in range(first, first + 1000)])
        cpu = time.process_time() - cpu
        records.close()
        size = (Path(folder) / "traffic.db").stat().st_size
        each = f"{cpu / count * 1e6:.1f} µs each to make and put"
        say(f"{count:,} records, {size / 2**20:.0f} MiB; {each}")
        for title, asked in PAGES.items():
            took = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                page = await records.query(asked, page_size=100)
                took.append(time.perf_counter() - began)
            say(f"{title:40} {len(page.records):4} records {min(took) * 1000:8.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    asyncio.run(main(parser.parse_args().records))
