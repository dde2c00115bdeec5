"""A pod's status, as its kubelet tells it."""

from typing import Any

from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.servers.kubernetes.refusal import Refusal
from tests.servers.kubernetes.store import Object, Store, now


def container_status(spec: Object, state: Object, **more: Any) -> Object:
    told = {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {**told, **more}


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def say(store: Store, pod: Object, **changes: Any) -> None:
    """Of the pod that is there now, if it is; by status alone."""
    meta = pod["metadata"]
    there = store.find("pods", meta["namespace"], meta["name"])
    if there is None or there["metadata"]["uid"] != meta["uid"]:
        return
    status = {**(there.get("status") or {}), **changes}
    ready = changes.pop("ready", None)
    status.pop("ready", None)
    if ready is not None:
        kept = [each for each in status.get("conditions") or [] if each["type"] != "Ready"]
        same = [
            each
            for each in status.get("conditions") or []
            if each["type"] == "Ready" and each["status"] == str(bool(ready))
        ]
        fresh = {"type": "Ready", "status": str(bool(ready)), "lastTransitionTime": now()}
        status["conditions"] = [*kept, *(same or [fresh])]
    there["status"] = status
    try:
        store.replace(BY_PLURAL["pods"], there)
    except Refusal:
        return
