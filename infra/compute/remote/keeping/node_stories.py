"""What the host's log tells of nodes, each thing once: their lives, and how those ended."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.compute.ground.owners import owner_of
from infra.compute.ground.traces import continuing
from infra.compute.remote.fleet import Node, NodeState
from infra.compute.remote.node_watches import Health

_log = logging.getLogger("ml_endpoints.instances")


@dataclass(frozen=True)
class Owner:
    """Whose nodes a group is, and the trace of the request that wanted them."""

    key: str
    trace: str = ""


@dataclass
class _Told:
    """What was told of a node's number last. `id` is its life's."""

    id: str
    group: str
    began: float
    lives: int = 1
    process: str = ""
    is_ready: bool = False
    is_down: bool = False
    has_ended: bool = False
    died: str = ""


class NodeStories:
    """Told by the host that decides. What was there before it did is known, and not told again."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}
        self._told: dict[tuple[str, int], _Told] = {}

    def adopt(self, nodes: Sequence[Node], ready: Mapping[str, str]) -> None:
        """Those that were there when this host began to decide. Of `ready` it is known that they
        were, with their lives."""
        now = time.monotonic()
        self._told = {
            (node.group, node.number): _Told(
                node.id,
                node.group,
                now,
                process=ready.get(node.id, ""),
                is_ready=node.id in ready,
                has_ended=node.state is NodeState.ENDED,
            )
            for node in nodes
            if node.state is not NodeState.COMING
        }

    def own(self, group: str, owner: Owner) -> None:
        self._owners[group] = owner

    def is_new(self, node: Node, seen: Health) -> bool:
        """Whether it has died, and that was not told."""
        told = self._told.get((node.group, node.number))
        if told is not None and told.id == node.id:
            ended = node.state is NodeState.ENDED or seen.reason is not None
            return not told.has_ended and (ended or seen.died not in (None, told.died))
        return node.state is NodeState.ENDED or (seen.reason or seen.died) is not None

    def tell(self, node: Node, seen: Health, explanation: str) -> None:
        """How it does now. `explanation` is what the platform knows of a death."""
        place = node.group, node.number
        told = self._told.get(place)
        if node.state is not NodeState.COMING and (told is None or told.id != node.id):
            lives = 1 if told is None else told.lives + 1
            told = self._told[place] = _Told(node.id, node.group, time.monotonic(), lives)
            self._started(told)
        if told is None or told.id != node.id:
            return
        if node.state is NodeState.ENDED:
            self.ended(node, node.reason or "It has ended.", for_good=node.hopeless)
        elif seen.reason is not None:
            self.ended(node, f"{explanation}{seen.reason}", for_good=True)
        elif node.state is NodeState.RUNNING:
            self._lives_on(told, seen, explanation)

    def ended(self, node: Node, reason: str, *, for_good: bool) -> None:
        told = self._told.get((node.group, node.number))
        if told is None or told.id != node.id or told.has_ended:
            return
        told.has_ended, told.is_ready = True, False
        self._died(told, reason, for_good=for_good)

    def gone(self, nodes: Sequence[Node]) -> None:
        """Tell of those that are not among all that there are."""
        there = {(node.group, node.number) for node in nodes}
        for place in [place for place in self._told if place not in there]:
            told = self._told.pop(place)
            if not told.has_ended:
                self._say(told, logging.INFO, "instance_stopped", "is stopped")
        groups = {node.group for node in nodes}
        self._owners = {g: o for g, o in self._owners.items() if g in groups}

    # -- inside

    def _lives_on(self, told: _Told, seen: Health, explanation: str) -> None:
        if seen.died and seen.died != told.died:
            told.died, told.is_down = seen.died, True
            self._died(told, f"{explanation}{seen.died}", for_good=False)
        is_another = bool(told.process) and bool(seen.life) and seen.life != told.process
        told.process = seen.life or told.process
        if is_another:
            told.is_ready = False
        if told.is_down and (is_another or seen.ready):
            told.is_down, told.lives, told.began = False, told.lives + 1, time.monotonic()
            self._started(told)
        if seen.ready is told.is_ready:
            return
        told.is_ready = seen.ready
        if not seen.ready:
            if not told.is_down:
                trouble = f" ({seen.trouble})" if seen.trouble else ""
                text = f"is not ready any more{trouble}"
                self._say(told, logging.WARNING, "instance_unready", text)
            return
        seconds = round(time.monotonic() - told.began, 3)
        text = f"is ready after {seconds:.3f} s"
        self._say(told, logging.INFO, "instance_ready", text, seconds=seconds)

    def _started(self, told: _Told) -> None:
        if told.lives > 1:
            more = {"life": told.lives}
            self._say(told, logging.INFO, "instance_restarted", "is started again", **more)
        else:
            self._say(told, logging.INFO, "instance_started", "is started")

    def _died(self, told: _Told, reason: str, *, for_good: bool) -> None:
        then = "and is not started again" if for_good else "and is started again"
        action = "instance_given_up" if for_good else "instance_died"
        text = f"has died {then}: {reason}"
        self._say(told, logging.WARNING, action, text, reason=reason)

    def _say(self, told: _Told, level: int, action: str, text: str, **more: object) -> None:
        owner = self._owners.get(told.group)
        if owner is None:
            return
        about = {"action": action, **owner_of(owner.key), "instance": told.id, **more}
        with continuing(owner.trace):
            _log.log(level, "Instance %s %s", told.id, text, extra=about)
