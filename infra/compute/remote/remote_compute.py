"""Models on a fleet: what every platform shares, put together over one."""

import asyncio

from domain.ports import Cipher, ResourceStore
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.fleet import Fleet
from infra.compute.remote.group_working import GroupWorking
from infra.compute.remote.keeper import Keeper
from infra.compute.remote.keeper_lease import KeeperLease
from infra.compute.remote.node_watches import NodeWatches
from infra.compute.remote.ready_nodes import KnownNodes
from infra.compute.remote.remote_scorer import RemoteScorer
from infra.compute.remote.remote_serving import RemoteServing, Sealing
from infra.compute.remote.serving_records import ServingRecords


class RemoteCompute:
    """Begins at its first use. `close` at the end: nodes go on, for the next host."""

    def __init__(self, fleet: Fleet, store: ResourceStore, cipher: Cipher) -> None:
        self._fleet = fleet
        self._http = UnixHttp()
        known = KnownNodes(store, cipher.decrypt)
        records = ServingRecords(store)
        wake = asyncio.Event()
        watches = NodeWatches(self._http, wake.set)
        working = GroupWorking(fleet, watches, cipher.decrypt, wake.set)
        lease = KeeperLease(store)
        self._keeper = Keeper(fleet, lease, records, working, watches, known.learn, wake)
        self.scorer = RemoteScorer(self._http, known.secret_of)
        self.serving = RemoteServing(
            records,
            known,
            fleet,
            self._http,
            Sealing(cipher.encrypt, cipher.decrypt),
            begin=self._keeper.start,
            changed=wake.set,
        )

    async def start(self) -> None:
        """Look after what is deployed, if no other host does."""
        self._keeper.start()

    async def close(self) -> None:
        await self._keeper.close()
        await self._fleet.close()
        self._http.close()
