"""How clients learn what a server has."""

from typing import Any

from tests.servers.kubernetes.kinds import KINDS
from tests.servers.kubernetes.schemas import RELEASE

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def answer(path: str) -> Any:
    """None for what is no question of that kind."""
    path = path.rstrip("/")
    groups = sorted({each.group for each in KINDS if each.group})
    if path == "/version":
        return {"major": "1", "minor": "37", "gitVersion": RELEASE, "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g) for g in groups]}
    if path == "/api/v1":
        return _resources("", "v1")
    for group in groups:
        if path == f"/apis/{group}/v1":
            return _resources(group, f"{group}/v1")
    return None


def _group(name: str) -> Any:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str, version: str) -> Any:
    found: list[Any] = []
    for each in (each for each in KINDS if each.group == group):
        told = {
            "name": each.plural,
            "singularName": each.kind.lower(),
            "namespaced": each.namespaced,
            "kind": each.kind,
            "verbs": _VERBS,
            "shortNames": list(each.short),
        }
        found.append(told)
        if each.plural in ("deployments", "replicasets"):
            scale = {"kind": "Scale", "group": "autoscaling", "version": "v1"}
            more = {"name": f"{each.plural}/scale", "verbs": ["get", "patch", "update"]}
            more["shortNames"] = []
            found.append({**told, **scale, **more})
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version}
    return {**head, "resources": found}
