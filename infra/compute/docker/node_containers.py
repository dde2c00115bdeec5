"""What an engine does with the containers of nodes: one for each, or two where the server is the
user's own."""

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any, Final

from domain.errors import Unavailable
from infra.compute.docker import labels as names
from infra.compute.docker.containers import (
    Container,
    Place,
    Surroundings,
    body_of,
    memory_for,
    node_id,
)
from infra.compute.docker.engine import Engine, EngineRefusal, printed
from infra.compute.docker.images import Image
from infra.compute.docker.labels import Labels
from infra.compute.docker.server_containers import ROLE, server_body
from infra.compute.remote.fleet import NodeGroup

_log = logging.getLogger(__name__)

_CONFLICT: Final = 409
_BEGUN: Final = 180.0
"""Seconds for a container to be made, or started. A busy engine gives up what nobody waits for any
more, and each that is begun anew would end so."""
_SERVER_GRACE: Final = 10
"""Seconds for a server to end once its agent has: nobody asks it any more."""


class NodeContainers:
    """Raises EngineRefusal where an engine will not make something, and Unavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of(self, labels: Labels, group: str | None = None) -> list[Container]:
        """With the servers of agents in their container's `server`."""
        label = [labels.mine]
        if group is not None:
            label.append(f"{names.GROUP}={group}")
        listed = await self._engine.get("containers/json", all=True, filters={"label": label})
        found = [Container.of(each) for each in listed if names.GROUP in (each["Labels"] or {})]
        servers = {c.key: c for c in found if c.labels.get(names.ROLE) == ROLE}
        nodes = [
            replace(c, server=servers.pop(c.key, None))
            for c in found
            if c.labels.get(names.ROLE) != ROLE
        ]
        # A server whose agent was taken away is of no use: it is ended like any that has.
        return nodes + [replace(each, state="dead") for each in servers.values()]

    async def make(
        self, group: NodeGroup, image: Image, place: Place, labels: Labels, around: Surroundings
    ) -> None:
        """And start it."""
        body = body_of(group, image, place, labels, around)
        name = labels.container(group.name, place.number, place.life)
        id = await self._made(name, body)
        if id is not None:
            await self._run(id)
            await self._make_server(group, image, id, (name, body), around)

    async def go_on(
        self,
        container: Container,
        group: NodeGroup,
        image: Image,
        labels: Labels,
        around: Surroundings,
    ) -> None:
        """Whoever made it has not come to start it, or is about to."""
        if container.state == "created":
            await self._run(container.id)
        if container.lacks_server:
            place = container.place
            body = body_of(group, image, place, labels, around)
            name = labels.container(group.name, place.number, place.life)
            await self._make_server(group, image, container.id, (name, body), around)
        elif container.server is not None and container.server.state == "created":
            await self._run(container.server.id)

    async def kill(self, container: Container) -> None:
        for id in container.ids:
            await self._refused(self._engine.post(f"containers/{id}/kill"))

    async def stop(self, container: Container, grace: float) -> None:
        """The agent passes nothing new on, and what is under way has `grace` seconds."""
        graces = [round(grace), _SERVER_GRACE]
        for id, seconds in zip(container.ids, graces, strict=False):
            stop = self._engine.post(f"containers/{id}/stop", limit=seconds + 30, t=seconds)
            try:
                await self._refused(stop)
            except Unavailable as error:  # it is removed by force all the same
                _log.warning("%s did not stop in its time: %s", container.group, error)

    async def remove(self, container: Container) -> str | None:
        """Whether it runs or not. Why the engine has not, where it answers; None once nothing is
        left."""
        ids = reversed(container.ids)
        told = [await self._removed(f"containers/{id}", force=True) for id in ids]
        return next((reason for reason in told if reason is not None), None)

    async def inspected(self, id: str) -> Any:
        """None for one that is gone."""
        return await self._engine.find(f"containers/{id}/json")

    async def printed(self, id: str, tail: int, *, stamped: bool = False) -> str:
        """The last lines; `stamped`, each with its time before it."""
        try:
            content = await self._engine.text(
                f"containers/{id}/logs",
                stdout=True,
                stderr=True,
                tail=str(tail),
                timestamps=stamped,
            )
        except EngineRefusal:
            return ""
        return printed(content)

    async def server_lines(self, container: Container, tail: int) -> list[str]:
        """What the user's own server printed, as lines of the node's."""
        if container.server is None:
            return []
        place = container.place
        node = node_id(container.group, place.number, place.life)
        text = await self.printed(container.server.id, tail, stamped=True)
        lines = (line.partition(" ") for line in text.splitlines())
        return [f"{time[:23]}Z {node} - {said}" for time, _, said in lines]

    async def clear(self, labels: Labels, group: str) -> str | None:
        """What a group without containers has left: a volume that is filled in part stays so.
        Why the engine has not let go of one, which it does a moment after its container; None once
        nothing is left."""
        told = [
            await self._removed(f"volumes/{labels.volume(group, what)}") for what in names.VOLUMES
        ]
        return next((reason for reason in told if reason is not None), None)

    # -- inside

    async def _removed(self, path: str, **query: Any) -> str | None:
        try:
            await self._engine.delete(path, **query)
        except EngineRefusal as refusal:
            return refusal.message
        except Unavailable as error:
            await self._engine.get("version")  # raises where it is the engine that is away
            return str(error)
        return None

    async def _make_server(
        self,
        group: NodeGroup,
        image: Image,
        agent: str,
        made: tuple[str, Any],
        around: Surroundings,
    ) -> None:
        """Beside the container `agent`, which was `made` with this name and body."""
        name, body = made
        if group.program.server is None:
            return
        memory = memory_for(group, around)
        beside = server_body(group, image, agent, body, memory)
        id = await self._made(f"{name}-server", beside)
        if id is not None:
            await self._run(id)

    async def _made(self, name: str, body: Any) -> str | None:
        """None: another host has made it."""
        try:
            made = await self._engine.post("containers/create", dict(body), limit=_BEGUN, name=name)
        except EngineRefusal as refusal:
            if refusal.status == _CONFLICT:
                return None
            raise
        return str(made["Id"])

    async def _run(self, id: str) -> None:
        try:
            await self._engine.post(f"containers/{id}/start", limit=_BEGUN)
        except EngineRefusal as refusal:  # its state says so too
            _log.warning("A container cannot be started: %s", refusal.message)

    async def _refused(self, call: Awaitable[object]) -> None:
        """It is gone already, or going."""
        try:
            await call
        except EngineRefusal as refusal:
            _log.debug("the engine refused: %s", refusal.message)


def latest(containers: Sequence[Container]) -> dict[int, Container]:
    """Of each number, its latest life."""
    found: dict[int, Container] = {}
    for container in containers:
        place = container.place
        if place.number not in found or found[place.number].place.life < place.life:
            found[place.number] = container
    return found
