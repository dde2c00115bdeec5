"""One group of nodes: worked towards, and looked at for what has failed for good."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from domain.errors import DomainError
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.owners import owner_of
from infra.compute.ground.traces import continuing
from infra.compute.identity_lending import IdentityLending, holder_of
from infra.compute.remote.fleet import Fleet, Node, NodeGroup, NodeState, Progress
from infra.compute.remote.keeping.node_stories import NodeStories, Owner
from infra.compute.remote.node_watches import Health, NodeWatches
from infra.compute.remote.serving_record import Standing

_log = logging.getLogger("ml_endpoints.instances")

NOT_READY: Final = "ResourceNotReady"
_LOG: Final = "The end of its log:"
_WORDS: Final = 30


@dataclass(frozen=True)
class Asked:
    """`count` nodes of a group, whose `standing` was this at the last look. A node that is at a
    request says nothing else for `patience` seconds at most. `trace` is that of who asked."""

    group: NodeGroup
    count: int
    standing: Standing
    patience: float
    trace: str = ""


class GroupWorking:
    """`unseal` opens a revision's secret. What it knows of a group is only what saves calls."""

    def __init__(
        self,
        fleet: Fleet,
        watches: NodeWatches,
        unseal: Callable[[str], str],
        on_change: Callable[[], None],
        identities: IdentityLending,
        stories: NodeStories,
    ) -> None:
        self._fleet = fleet
        self._watches = watches
        self._unseal = unseal
        self._on_change = on_change
        self._identities = identities
        self._stories = stories
        self._secrets: dict[str, str] = {}
        self._progress: dict[str, tuple[int, Progress]] = {}
        self._applying: dict[str, tuple[int, asyncio.Task[None]]] = {}

    def secret_of(self, group: str, sealed: str) -> str:
        secret = self._secrets.get(group)
        if secret is None:
            secret = self._secrets[group] = self._unseal(sealed)
        return secret

    def forget(self, group: str) -> None:
        self._secrets.pop(group, None)
        self._progress.pop(group, None)

    async def close(self) -> None:
        tasks = [task for _, task in self._applying.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def coming(self, group: str) -> int:
        """How many nodes the fleet is being asked for at this moment: it may take long."""
        count, _ = self._applying.get(group, (0, None))
        return count

    async def work(self, asked: Asked, nodes: Sequence[Node]) -> Standing:
        """Have the fleet go on, if there is something to do, and say how it stands."""
        group, wanted = await self._lent(asked.group), asked.count
        attempt = group.attempt
        self._stories.own(group.name, Owner(group.key, asked.trace))
        if asked.standing.attempt == attempt and asked.standing.has_failed:
            return self._failed_still(asked, nodes)
        await self._renew(group, nodes)
        health = {node.id: self._watches.health(node.id) for node in nodes}
        await self._replace_lost(asked, nodes, health)
        progress = self._progress_of(group.name, attempt)
        standing = [n for n in nodes if n.number < wanted and n.state is NodeState.RUNNING]
        surplus = [n for n in nodes if n.number >= wanted and n.state is not NodeState.LEAVING]
        if not progress.prepared or len(standing) != wanted or surplus:
            self._apply(group, asked)
        ready = sum(health[node.id].ready for node in standing)
        tried = [node for node in nodes if node.attempt == attempt]
        proven = asked.standing.proven or ready > 0
        failure = progress.failure or await self._failure(tried, health, proven=proven)
        for node in nodes:
            await self._tell(node, health[node.id])
        there = Standing(attempt, progress.prepared, ready, proven=proven)
        if failure is None:
            return there
        reason = f"{failure.reason}{await self._said(group, failure)}"
        return replace(there, code=failure.code, reason=reason)

    async def _lent(self, group: NodeGroup) -> NodeGroup:
        """With what its scripts need where they are somebody."""
        holder = holder_of(group.program)
        if holder is None:
            return group
        lent = await self._identities.of_nodes(holder)
        return replace(group, spec={**group.spec, "identity": lent})

    def _failed_still(self, asked: Asked, nodes: Sequence[Node]) -> Standing:
        """Nothing more is begun; what is ready of it goes on."""
        ready = sum(
            self._watches.health(n.id).ready
            for n in nodes
            if n.state is NodeState.RUNNING and n.number < asked.count
        )
        return replace(asked.standing, ready=ready)

    async def _renew(self, group: NodeGroup, nodes: Sequence[Node]) -> None:
        """What has failed at an earlier attempt is tried anew."""
        for node in nodes:
            health = self._watches.health(node.id)
            is_old = node.attempt != group.attempt and node.state is NodeState.RUNNING
            if is_old and (health.reason is not None or health.is_beyond_hope):
                await self._fleet.replace(node, "It is tried anew.")

    async def _replace_lost(
        self, asked: Asked, nodes: Sequence[Node], health: dict[str, Health]
    ) -> None:
        for node in nodes:
            seen = health[node.id]
            is_cut_off = node.address is None
            timeout = 0.0 if is_cut_off else asked.patience
            never_came = asked.standing.proven and seen.is_beyond_hope
            is_lost = seen.is_lost(timeout) or never_came
            if node.state is NodeState.RUNNING and is_lost:
                told = f"It has not answered for {seen.silent:.0f} s ({seen.trouble})."
                self._stories.ended(node, told, for_good=False)
                await self._fleet.replace(node, told)

    def _progress_of(self, group: str, attempt: int) -> Progress:
        found = self._progress.get(group)
        return found[1] if found is not None and found[0] == attempt else Progress()

    def _apply(self, group: NodeGroup, asked: Asked) -> None:
        if group.name in self._applying:
            return
        applied = self._applied(group, asked)
        task = asyncio.create_task(applied, name=f"apply {group.name}")
        self._applying[group.name] = asked.count, task
        task.add_done_callback(lambda _: self._applying.pop(group.name, None))

    async def _applied(self, group: NodeGroup, asked: Asked) -> None:
        there = asked.standing if asked.standing.attempt == group.attempt else Standing()
        if group.name not in self._progress and not there.prepared:
            text = "%s is being prepared: its environment and files"
            self._say(group, asked.trace, "workload_building", text)
        try:
            progress = await self._fleet.apply(group, asked.count)
        except DomainError as error:
            _log.warning("%s could not be worked towards: %s", group.key, error)
            return
        except Exception as error:  # a fault of ours must show, not look like a slow start
            _log.exception("%s cannot be worked towards", group.key)
            told = f"Working towards it failed: {error!r}"
            progress = Progress(failure=StartFailure("InternalServerError", told))
        before = self._progress_of(group.name, group.attempt)
        self._progress[group.name] = group.attempt, progress
        if progress.prepared and not (before.prepared or there.prepared):
            text = "%s is prepared: it can be started"
            self._say(group, asked.trace, "workload_prepared", text)
        if progress != before:
            self._on_change()

    def _say(self, group: NodeGroup, trace: str, action: str, text: str) -> None:
        about = {"action": action, **owner_of(group.key), "revision": group.spec["revision"]}
        with continuing(trace):
            _log.info(text, group.key, extra=about)

    async def _failure(
        self, nodes: Sequence[Node], health: dict[str, Health], *, proven: bool
    ) -> StartFailure | None:
        """One that never answers is none of theirs, once another has been ready: it is replaced."""
        for node in nodes:
            seen = health[node.id]
            if node.state is NodeState.RUNNING and seen.reason is not None:
                more = await self._explained(node)
                return StartFailure(seen.code or NOT_READY, f"{more}{seen.reason}")
            if node.state is NodeState.RUNNING and seen.is_beyond_hope and not proven:
                told = (
                    f"It runs, but did not answer as an instance at its port within "
                    f"{seen.silent:.0f} s: {seen.trouble}."
                )
                return StartFailure(NOT_READY, told)
            if node.hopeless:
                return StartFailure(node.code or NOT_READY, node.reason or "It has ended.")
        return None

    async def _said(self, group: NodeGroup, failure: StartFailure) -> str:
        """The end of what the user's own server printed, of which its agent knows nothing."""
        if group.program.server is None or _LOG in failure.reason:
            return ""
        try:
            said = await self._fleet.logs(group.name, tail=_WORDS)
        except DomainError:
            return ""
        return f"\n{_LOG}\n{said}" if said.strip() else ""

    async def _explained(self, node: Node) -> str:
        try:
            told = await self._fleet.explain(node)
        except DomainError:
            return ""
        return f"{told} " if told else ""

    async def _tell(self, node: Node, seen: Health) -> None:
        """In the log, once."""
        has_died = self._stories.is_new(node, seen)
        is_asked = has_died and node.state is NodeState.RUNNING
        self._stories.tell(node, seen, await self._explained(node) if is_asked else "")
