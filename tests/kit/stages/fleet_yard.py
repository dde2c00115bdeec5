"""A platform, with models for it: what the contract of a fleet is tried on."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.ports import EnvironmentSpec, InstanceSize, Program
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, NodeState, Progress
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.kit.stages.compute_place import BARE
from tests.kit.stages.sealing import sealed
from tests.kit.waiting import PATIENCE, eventually

SECRET = "s" * 40
GOOD = "def init(): pass\ndef run(data): return data\n"


@dataclass
class Yard:
    """A platform, as two hosts of one installation and one of another see it."""

    blobs: FileBlobStore
    fleet: Fleet
    beside: Fleet
    foreign: Fleet
    numbers: Iterator[int]

    async def group(
        self,
        script: str = GOOD,
        *,
        environment: EnvironmentSpec = BARE,
        memory: int = 2**30,
        **more: object,
    ) -> NodeGroup:
        number = next(self.numbers)
        await self.blobs.write("assets", f"code/{number}/score.py", script.encode())
        code = await sealed(self.blobs, "assets", f"code/{number}")
        program = Program(environment, None, code, "score.py", {}, InstanceSize(1, memory))
        spec = {
            "contract": 1,
            "mode": "serve",
            "script": "score.py",
            "environment_variables": {},
            "serve": {"deployment": "blue"},
            "readiness": {
                "initial_delay": 0,
                "period": 0.2,
                "timeout": PATIENCE,
                "failure_threshold": 10_000,
            },
            **more,
        }
        return NodeGroup(f"g{number}", f"online/iris/g{number}", program, spec, SECRET, drain=1.0)

    async def applied(self, group: NodeGroup, count: int) -> Progress:
        async def done() -> Progress | None:
            progress = await self.fleet.apply(group, count)
            return progress if progress.prepared or progress.failure else None

        return await eventually(done, "applied", every=0.1)

    async def of(self, group: NodeGroup) -> list[Node]:
        found = [node for node in await self.fleet.nodes() if node.group == group.name]
        return sorted(found, key=lambda node: node.number)

    async def running(self, group: NodeGroup, count: int) -> list[Node]:
        async def up() -> list[Node] | None:
            found = [n for n in await self.of(group) if n.state is NodeState.RUNNING]
            return found if len(found) == count else None

        return await eventually(up, f"{count} nodes", every=0.1)

    async def ended(self, group: NodeGroup) -> Node:
        async def over() -> Node | None:
            found = [n for n in await self.of(group) if n.state is NodeState.ENDED]
            return found[0] if found else None

        return await eventually(over, "a node that has ended", every=0.1)

    async def gone(self, group: NodeGroup) -> None:
        await eventually(
            lambda: self.fleet.delete(group.name, linger=0.0, grace=0.0), "gone", every=0.1
        )

    async def printed(self, group: NodeGroup, said: str) -> None:
        """Once the platform has it: it keeps what is printed a moment later."""

        async def told() -> bool:
            return said in await self.fleet.logs(group.name, tail=50)

        await eventually(told, f"{said} in the log", every=0.1)

    async def up(self, group: NodeGroup, *, after: Node | None = None) -> Node:
        """A node that runs, asking for one as often as it takes; another than the one `after` which
        it comes."""

        async def up() -> Node | None:
            await self.fleet.apply(group, 1)
            found = [n for n in await self.of(group) if n.state is NodeState.RUNNING]
            found = [n for n in found if after is None or n.id != after.id]
            return found[0] if found else None

        found: Node = await eventually(up, "a node", every=0.1)
        return found
