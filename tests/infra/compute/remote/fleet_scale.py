"""`python -m tests.infra.compute.remote.fleet_scale`: what 1,000 instances elsewhere and 200
gateways ask of the store, counted.

Who is ready is written and read as the keeper and gateways do, over a store in memory that counts.
Request units are reckoned as docs/costs.md says.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet

from domain.ports import Document, Write
from infra.compute.remote.keeping.keeper_index import KeeperIndex
from infra.compute.remote.ready_nodes import DOCUMENT_ID, KnownNodes, ReadyNodes
from infra.compute.remote.serving_record import partition_of
from infra.compute.remote.serving_records import ServingRecords
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

INSTANCES, GATEWAYS = 1000, 200
LAYOUTS = (100, 10, 1)
"""Over so many endpoints, each of one deployment."""
_SEALED = Fernet(Fernet.generate_key()).encrypt(b"x" * 43).decode()
"""As long as a secret is when it is sealed."""
_STRONG = 2.0


class CountingStore(MemoryResourceStore):
    """Counts point reads, and the writes of batches by their kind."""

    def __init__(self) -> None:
        super().__init__(time.time)
        self.counts: Counter[str] = Counter()

    async def get(self, partition: str, id: str) -> Document:
        self.counts["reads"] += 1
        return await super().get(partition, id)

    async def transact(self, partition: str, writes: Sequence[Write]) -> Sequence[Document]:
        self.counts["batches"] += 1
        self.counts.update(type(write).__name__ for write in writes)
        return await super().transact(partition, writes)

    def since(self, before: Counter[str]) -> Counter[str]:
        return self.counts - before


@dataclass
class Scale:
    """What one layout was found to ask."""

    endpoints: int
    size: int
    """Bytes of one endpoint's document, as JSON."""
    change: Counter[str]
    """By the keeper, for one instance that comes or goes."""
    quiet: Counter[str] = field(default_factory=Counter)
    """By all gateways, each of which serves every endpoint, in a second without a change."""
    after: Counter[str] = field(default_factory=Counter)
    """The same in the second after a change."""
    opened: tuple[int, int] = (0, 0)
    """How many secrets they opened, in a second without a change and after one."""

    @property
    def units(self) -> float:
        """Request units a second of all gateways."""
        return self.quiet["reads"] * _STRONG * max(1.0, self.size / 1024)

    @property
    def row(self) -> str:
        change = f"{self.change['reads']} read, {self.change['Replace']} replace"
        each, size = INSTANCES // self.endpoints, self.size / 1024
        asked = f"{self.quiet['reads']:,} | {self.after['reads']:,} | {self.units:,.0f}"
        return f"| {each} | {self.endpoints} | {size:.1f} | {change} | {asked} |"


def key_of(endpoint: int) -> str:
    return f"online/endpoint-{endpoint:03}/blue"


def ready(endpoint: int, count: int) -> ReadyNodes:
    group = f"endpoint-{endpoint:03}-blue-0a1b2c-3d4e5f"
    nodes = ((f"{group}-{n}.1/a1b2.0", f"172.18.{n // 256}.{n % 256}:5001") for n in range(count))
    return ReadyNodes(_SEALED, tuple(nodes))


async def measured(endpoints: int) -> Scale:
    store = CountingStore()
    records = ServingRecords(store, KeeperIndex(store))
    keys = [key_of(number) for number in range(endpoints)]
    count = INSTANCES // endpoints
    for number, key in enumerate(keys):
        await records.save_ready(key, ready(number, count))
    document = await store.get(partition_of(keys[0]), DOCUMENT_ID)
    opened = 0

    def unseal(sealed: str) -> str:
        nonlocal opened
        opened += 1
        return sealed[:43]

    gateways = [KnownNodes(store, unseal) for _ in range(GATEWAYS)]

    async def second() -> tuple[Counter[str], int]:
        nonlocal opened
        before, opened = store.counts.copy(), 0
        for gateway in gateways:
            await gateway.refresh(keys)
        return store.since(before), opened

    await second()
    before = store.counts.copy()
    await records.save_ready(keys[0], ready(0, count - 1))
    found = Scale(endpoints, len(json.dumps(document.body)), store.since(before))
    found.after, opened_after = await second()
    found.quiet, opened_quiet = await second()
    found.opened = opened_quiet, opened_after
    there = {len(gateway.instances(keys[0])) for gateway in gateways}
    if there != {count - 1}:
        raise AssertionError(f"gateways know of {there} instances, not of {count - 1}")
    return found


async def table() -> str:
    head = (
        "| instances each | endpoints | KB each | a change: keeper "
        "| a second, all gateways: reads | ... after a change | request units a second |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "".join([f"{(await measured(number)).row}\n" for number in LAYOUTS])


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(table()))
