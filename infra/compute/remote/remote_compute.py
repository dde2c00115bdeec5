"""Models on a fleet: what every platform shares, put together over one."""

import asyncio
import time

from domain.ports import BlobStore, Cipher, Program, ResourceStore
from infra.compute.http.unix_http import UnixHttp
from infra.compute.identity_lending import IdentityLending
from infra.compute.node_lending import NodeLending
from infra.compute.remote.fleet import Fleet
from infra.compute.remote.group_working import GroupWorking
from infra.compute.remote.keeping.keeper import Keeper, Onlookers
from infra.compute.remote.keeping.keeper_index import KeeperIndex
from infra.compute.remote.keeping.keeper_lease import KeeperLease
from infra.compute.remote.keeping.node_meter import NodeMeter
from infra.compute.remote.keeping.node_stories import NodeStories
from infra.compute.remote.node_logs import NodeLogs
from infra.compute.remote.node_watches import NodeWatches
from infra.compute.remote.ready_nodes import KnownNodes
from infra.compute.remote.remote_scorer import RemoteScorer
from infra.compute.remote.remote_serving import RemoteServing, Sealing
from infra.compute.remote.serving_keeping import ServingKeeping
from infra.compute.remote.serving_records import ServingRecords
from infra.compute.remote.workers.pool_keeping import PoolKeeping
from infra.compute.remote.workers.pool_records import PoolRecords
from infra.compute.remote.workers.remote_workers import RemoteWorkers


class RemoteCompute:
    """Begins at its first use. Units are lent what `lending` says, and
    scripts are who `identities` makes them. `close` at the end: nodes go on, for the next host."""

    def __init__(
        self,
        fleet: Fleet,
        store: ResourceStore,
        cipher: Cipher,
        blobs: BlobStore,
        lending: NodeLending,
        identities: IdentityLending,
    ) -> None:
        self._fleet = fleet
        self._http = UnixHttp()
        known = KnownNodes(store, cipher.decrypt)
        index = KeeperIndex(store)
        records, pools = ServingRecords(store, index), PoolRecords(store, index)
        self._records, self._pools = records, pools
        wake = asyncio.Event()
        watches = NodeWatches(self._http, wake.set, identities)
        stories = NodeStories()
        working = GroupWorking(fleet, watches, cipher.decrypt, wake.set, identities, stories)
        sealing = Sealing(cipher.encrypt, cipher.decrypt)
        self.scorer = RemoteScorer(self._http, known.secret_of)
        self.serving = RemoteServing(
            records,
            known,
            fleet,
            NodeLogs(self._http),
            sealing,
            begin=self._begin,
            changed=wake.set,
        )
        self.workers = RemoteWorkers(
            pools,
            fleet,
            self._http,
            sealing,
            blobs,
            lending,
            begin=self._begin,
            changed=wake.set,
        )
        keeps = (
            ServingKeeping(fleet, records, working, watches, known.learn, wake),
            PoolKeeping(fleet, pools, working, watches, self.workers.known, time.monotonic),
        )
        self.meter = NodeMeter(time.time)
        onlookers = Onlookers(stories, self.meter)
        self._keeper = Keeper(
            fleet, KeeperLease(store), index, keeps, working, watches, onlookers, wake
        )

    async def start(self) -> None:
        """Look after what is deployed, if no other host does."""
        self._keeper.start()

    async def programs(self) -> list[Program]:
        """Of all that is deployed or at work, asleep or not."""
        served = [r for record in await self._records.all() for r in record.revisions]
        pools = await self._pools.all()
        return [r.workload.program for r in served] + [pool.program for pool in pools]

    async def close(self) -> None:
        await self.workers.close()
        await self._keeper.close()
        await self._fleet.close()
        self._http.close()

    def _begin(self) -> None:
        self._keeper.start()
