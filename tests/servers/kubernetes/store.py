"""The objects of a cluster, with a version for each change and what has changed of late."""

import asyncio
import copy
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tests.servers.kubernetes.kinds import BY_PLURAL, Kind
from tests.servers.kubernetes.refusal import Refusal

Object = dict[str, Any]
_KEPT: Final = 5000


@dataclass(frozen=True)
class Event:
    version: int
    type: str
    plural: str
    object: Object


class Store:
    """Of one event loop. What it gives is a copy."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], Object]] = {p: {} for p in BY_PLURAL}
        self._history: list[Event] = []
        self._compacted = 0
        self.version = 0
        self._changed = asyncio.Condition()
        self.listeners: list[Callable[[Event], None]] = []

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        found = self._objects[plural].get((namespace, name))
        return copy.deepcopy(found) if found is not None else None

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        found = self.find(kind.plural, namespace, name)
        if found is None:
            noun = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
            raise Refusal(404, f'{noun} "{name}" not found')
        return found

    def all(self, plural: str, namespace: str | None = None) -> list[Object]:
        found = sorted(self._objects[plural].items())
        return [copy.deepcopy(o) for (ns, _), o in found if namespace in (None, ns)]

    def create(self, kind: Kind, body: Object) -> Object:
        meta = body.setdefault("metadata", {})
        place = meta.get("namespace", ""), meta["name"]
        if place in self._objects[kind.plural]:
            raise Refusal(409, f'{kind.plural} "{meta["name"]}" already exists', "AlreadyExists")
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        if kind.has_generation:
            meta["generation"] = 1
        return self._put("ADDED", kind, body)

    def replace(self, kind: Kind, body: Object) -> Object:
        """Refused where `body` is of another version than there is; nothing happens where it is
        the same."""
        meta = body["metadata"]
        old = self.get(kind, meta.get("namespace", ""), meta["name"])
        if meta.get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            told = (
                f'Operation cannot be fulfilled on {kind.plural} "{meta["name"]}": the object has '
                "been modified; please apply your changes to the latest version and try again"
            )
            raise Refusal(409, told)
        for name in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            if name in old["metadata"]:
                meta[name] = old["metadata"][name]
        if _bare(body) == _bare(old):
            return old
        if kind.has_generation and body.get("spec") != old.get("spec"):
            meta["generation"] += 1
        return self._put("MODIFIED", kind, body)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        body = self._objects[kind.plural].pop((namespace, name))
        self._tell("DELETED", kind, copy.deepcopy(body))

    def since(self, plural: str, version: int) -> list[Event]:
        """Raises Refusal 410."""
        if version < self._compacted:
            raise Refusal(410, f"too old resource version: {version} ({self._compacted})")
        return [each for each in self._history if each.version > version and each.plural == plural]

    def compact(self) -> None:
        """Nobody can watch any more from a version before now."""
        self._compacted = self.version
        self._history.clear()

    async def changed(self, limit: float) -> None:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait(), limit)
            except TimeoutError:
                return

    def _put(self, type: str, kind: Kind, body: Object) -> Object:
        meta = body["metadata"]
        body["apiVersion"], body["kind"] = kind.api_version, kind.kind
        self._objects[kind.plural][(meta.get("namespace", ""), meta["name"])] = body
        self._tell(type, kind, body)
        return copy.deepcopy(body)

    def _tell(self, type: str, kind: Kind, body: Object) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        event = Event(self.version, type, kind.plural, copy.deepcopy(body))
        self._history.append(event)
        if len(self._history) > _KEPT:
            self._compacted = self._history[-_KEPT].version
            del self._history[:-_KEPT]
        for each in self.listeners:
            each(event)
        asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _bare(body: Object) -> Object:
    """Without what says when, and by whom, nothing else was changed."""
    meta = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    meta["managedFields"] = [
        {**each, "time": ""} for each in body["metadata"].get("managedFields") or []
    ]
    return {**body, "metadata": meta}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def matches(labels: Mapping[str, str], selector: Mapping[str, Any]) -> bool:
    """As a LabelSelector without expressions."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(name) == value for name, value in wanted.items())


def by_labels(text: str) -> Callable[[Object], bool]:
    terms = [each.strip() for each in text.split(",") if each.strip()]

    def meant(body: Object) -> bool:
        labels = body["metadata"].get("labels") or {}
        return all(_holds(term, labels) for term in terms)

    return meant


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    if "!=" in term:
        name, _, value = term.partition("!=")
        return labels.get(name) != value
    if "=" in term:
        name, _, value = term.replace("==", "=").partition("=")
        return labels.get(name) == value
    return term in labels


def by_fields(text: str) -> Callable[[Object], bool]:
    """As far as they are equal to something."""
    terms = [each.replace("==", "=").partition("=") for each in text.split(",") if each]

    def meant(body: Object) -> bool:
        for path, _, value in terms:
            found: Any = body
            for key in path.split("."):
                found = (found or {}).get(key)
            if str(found if found is not None else "") != value:
                return False
        return True

    return meant
