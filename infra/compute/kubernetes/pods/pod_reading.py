"""What a pod says of a node."""

import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from infra.compute.kubernetes import names as labels
from infra.compute.kubernetes.api.kubernetes_api import Object
from infra.compute.kubernetes.pods.pod_template import AGENT
from infra.compute.remote.fleet import NodeState

MAX_DEATHS: Final = 3
_WORKERS: Final = "workers/"
STABLE: Final = 60.0
UNSCHEDULABLE: Final = "PodUnschedulable"
"""Codes are those that Azure ML has for deployments on Kubernetes."""
_BAD_START: Final = 2
"""The agent's exit status where its door could not be opened."""
_SERVER_LOST: Final = 3
"""The same where the user's own server answers no more."""
_IMAGE: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_FOR_GOOD: Final = ("not found", "manifest unknown", "denied", "unauthorized", "InvalidImageName")
"""How registries say that there is no such image, or that it is not shown."""
_NOT_STARTED: Final = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
    "CrashLoopBackOff",
)


@dataclass(frozen=True)
class Seen:
    """`life` counts the starts of its containers before this one. `code` and `reason` say why it
    has ended, or cannot come; `final`: it will not, whatever is done; `stuck`: it may yet."""

    name: str
    uid: str
    group: str
    attempt: int
    state: NodeState
    life: int
    made: str
    code: str | None = None
    reason: str | None = None
    final: bool = False
    stuck: bool = False
    lived: float = 0.0
    ready: bool = False
    over: bool = False
    """For good, whatever becomes of it: another pod is in its place."""
    works: bool = False
    """Whether it is a node of batch jobs."""

    @property
    def id(self) -> str:
        return self.name if not self.life else f"{self.name}.{self.life}"


@dataclass(frozen=True)
class _Ending:
    code: str
    reason: str
    final: bool = field(default=False)


def is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Failed"


def seen_of(pod: Object) -> Seen:
    meta, status = pod["metadata"], pod.get("status") or {}
    inits, containers = (
        list(status.get(each) or []) for each in ("initContainerStatuses", "containerStatuses")
    )
    life = sum(int(each.get("restartCount", 0)) for each in (*inits, *containers))
    found = Seen(
        name=meta["name"],
        uid=meta["uid"],
        group=meta["labels"][labels.GROUP],
        attempt=int(meta["labels"].get(labels.ATTEMPT, 0)),
        state=NodeState.COMING,
        life=life,
        works=str((meta.get("annotations") or {}).get(labels.KEY)).startswith(_WORKERS),
        made=f"{meta['creationTimestamp']} {meta['name']}",
        ready=any(_is_true(each, "Ready") for each in status.get("conditions") or []),
    )
    if meta.get("deletionTimestamp"):
        return _but(found, state=NodeState.LEAVING)
    if is_over(pod):
        told = ": ".join(str(status[n]) for n in ("reason", "message") if status.get(n))
        why = _Ending("ResourceNotReady", f"Its pod failed: {told or 'unknown'}.")
        return _but(_ended(found, why), over=True)
    for each in (*inits, *containers):
        ending = _ending_of(each, pod)
        if ending is not None:
            return _but(_ended(found, ending), lived=_lived(each))
    waiting = [*inits, *containers]
    if containers and all("running" in (each.get("state") or {}) for each in containers):
        return _but(found, state=NodeState.RUNNING)
    return _but(found, **_delay(status, waiting))


def _but(seen: Seen, **changes: Any) -> Seen:
    return Seen(**{**vars(seen), **changes})


def _ended(seen: Seen, ending: _Ending) -> Seen:
    told = {"code": ending.code, "reason": ending.reason, "final": ending.final}
    return _but(seen, state=NodeState.ENDED, **told)


def _is_true(condition: Mapping[str, Any], kind: str) -> bool:
    return condition.get("type") == kind and condition.get("status") == "True"


def _ending_of(container: Mapping[str, Any], pod: Object) -> _Ending | None:
    """Of a container that has ended and does not run again yet."""
    state = container.get("state") or {}
    if "terminated" in state:
        over = state["terminated"]
        # An init container that is done has done its part.
        is_done = over.get("exitCode") == 0 and container["name"] not in _names(pod)
        return None if is_done else _ended_by(over, container, pod)
    waiting = state.get("waiting") or {}
    last = (container.get("lastState") or {}).get("terminated")
    if last is not None and waiting.get("reason") in _NOT_STARTED:
        return _ended_by(last, container, pod)
    return None


def _names(pod: Object) -> Sequence[str]:
    return [each["name"] for each in pod["spec"]["containers"]]


def _ended_by(over: Mapping[str, Any], container: Mapping[str, Any], pod: Object) -> _Ending:
    words = str(over.get("message") or "")
    status = int(over.get("exitCode", 0))
    if over.get("reason") == "OOMKilled":
        told = f"{out_of_memory(container['name'], pod)}, and was killed."
        return _Ending("PodOutOfMemory", f"{told}{_end(words)}")
    said = _said(words) if container["name"] == AGENT else None
    if status in (_BAD_START, _SERVER_LOST) and said is not None:
        return _Ending(said["code"], str(said.get("message", "")), status == _BAD_START)
    if over.get("reason") in ("StartError", "ContainerCannotRun"):
        return _Ending("ResourceNotReady", f"Its container cannot be started: {words}.")
    told = f"Its container ended with exit status {status}"
    if status > 128:
        with suppress(ValueError):
            told += f" ({signal.Signals(status - 128).name})"
    return _Ending("ResourceNotReady", f"{told}.{_end(words)}")


def out_of_memory(container: str, pod: Object) -> str:
    """As reasons begin with it."""
    each = next(each for each in pod["spec"]["containers"] if each["name"] == container)
    limit = (each.get("resources") or {}).get("limits", {}).get("memory", "")
    has = f"{int(limit) / 2**20:,.0f} MiB of memory" if str(limit).isdecimal() else "too little"
    return f"It ran out of memory: its container has {has}"


def has_run_out_of_memory(pod: Object) -> str | None:
    """The container that did, of late."""
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        for state in (each.get("state") or {}, each.get("lastState") or {}):
            if (state.get("terminated") or {}).get("reason") == "OOMKilled":
                return str(each["name"])
    return None


def _end(words: str) -> str:
    return f"\nThe end of its log:\n{words.strip()}" if words.strip() else ""


def _said(words: str) -> Mapping[str, Any] | None:
    """The agent's last word."""
    try:
        said = json.loads(words.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return said if isinstance(said, dict) and isinstance(said.get("code"), str) else None


def _lived(container: Mapping[str, Any]) -> float:
    """For how many seconds it ran."""
    over = (container.get("state") or {}).get("terminated")
    over = over or (container.get("lastState") or {}).get("terminated") or {}
    try:
        began, ended = (datetime.fromisoformat(over[n]) for n in ("startedAt", "finishedAt"))
    except (KeyError, ValueError, TypeError):
        return 0.0
    return (ended - began).total_seconds()


def _delay(status: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Why a pod has not come yet, where that is more than its turn."""
    for each in status.get("conditions") or []:
        if each.get("type") == "PodScheduled" and each.get("reason") == "Unschedulable":
            told = f"No node of the cluster has room for it: {each.get('message', '')}"
            return {"code": UNSCHEDULABLE, "reason": told, "stuck": True}
    for each in containers:
        waiting = (each.get("state") or {}).get("waiting") or {}
        reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
        if reason in _IMAGE:
            told = f"The image {each.get('image', '')} cannot be pulled: {message or reason}"
            final = any(word in f"{reason} {message}" for word in _FOR_GOOD)
            return {"code": "ImagePullLoopBackOff", "reason": told, "stuck": True, "final": final}
        if reason in _NOT_STARTED:
            told = f"Its container cannot be started: {message or reason}"
            return {"code": "ResourceNotReady", "reason": told, "stuck": True}
    return {}
