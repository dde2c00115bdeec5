"""Whose a workload is, as the log names it."""

from collections.abc import Mapping


def owner_of(key: str) -> Mapping[str, object]:
    """Whom a key speaks of: `online/{endpoint}/{deployment}`, or else the key of workers."""
    _, _, place = key.partition("/")
    endpoint, slash, deployment = place.partition("/")
    if not slash:
        return {"pool": key}
    return {"endpoint": endpoint, "deployment": deployment}
