"""Assets written where they are used, registered. What is unchanged is not sent again."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cli.assets.content import Content, content_of
from cli.assets.uploading import upload
from cli.failures import UsageFailed
from cli.host.arm import Arm, path
from cli.kinds.assets import DATA, ENVIRONMENT, MODEL, REMOTE, reference
from cli.kinds.types import Record, put
from cli.output.console import say

COLLECTIONS = {
    "model": "models",
    "environment": "environments",
    "code": "codes",
    "data": "data",
}
_RECORDS: dict[str, Record] = {"model": MODEL, "environment": ENVIRONMENT, "data": DATA}
_URI = {"model": "modelUri", "code": "codeUri", "data": "dataUri"}
_HASH = "hash_sha256"


def registered(arm: Arm, kind: str, value: str | dict[str, Any]) -> str:
    """The id of an asset: of one that is named, as it is; of one written where it is used, after it
    is registered under a name made of its content. Raises CommandFailed."""
    if isinstance(value, str):
        return value.removeprefix("azureml:") if value.startswith("azureml:/sub") else value
    if value.get("name"):
        return str(register(arm, kind, value)["id"])
    content = _content(kind, value)
    digest = _digest(kind, value, content)
    collection = COLLECTIONS[kind]
    there = arm.find(path(collection, digest, "versions", "1"))
    if there is None:
        there = _put(arm, kind, digest, "1", value, content, anonymous=True)
    return str(there["id"])


def planned_id(arm: Arm, kind: str, value: str | dict[str, Any]) -> str:
    """The id that `registered` would return, with nothing sent."""
    if isinstance(value, str):
        return (
            value.removeprefix("azureml:")
            if value.startswith("azureml:/sub")
            else _whole(arm, kind, value)
        )
    if value.get("name"):
        found = asset_id(arm, kind, value)
        version = value.get("version") or "(next)"
        return (
            found
            or f"{arm.context.workspace}/{COLLECTIONS[kind]}/{value['name']}/versions/{version}"
        )
    digest = _digest(kind, value, _content(kind, value))
    return f"{arm.context.workspace}/{COLLECTIONS[kind]}/{digest}/versions/1"


def asset_id(arm: Arm, kind: str, value: dict[str, Any]) -> str | None:
    """The id of a version that is just this asset, or None when one would have to be made."""
    collection, name = COLLECTIONS[kind], value["name"]
    digest = _digest(kind, value, _content(kind, value))
    if value.get("version") is None:
        there = _latest(arm, collection, name)
    else:
        there = arm.find(path(collection, name, "versions", str(value["version"])))
    return str(there["id"]) if there is not None and _same(there, digest) else None


def _whole(arm: Arm, kind: str, value: str) -> str:
    """A short reference as the id that the host shows for it."""
    named = reference(value)
    if named is not None and named.label is not None:
        label = arm.find(path(COLLECTIONS[kind], named.name, "labels", named.label))
        return value if label is None else str(label["properties"]["versionId"])
    if named is None or named.version is None:
        return value
    return f"{arm.context.workspace}/{COLLECTIONS[kind]}/{named.name}/versions/{named.version}"


def register(arm: Arm, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Register a version, with the next number when it has none; the version as the host has it.
    A version whose content is the same already is taken as it is. Raises CommandFailed."""
    name = value.get("name")
    if not name:
        raise UsageFailed(f"The {kind} has no name.", hint="`--name` gives it one.")
    collection = COLLECTIONS[kind]
    content = _content(kind, value)
    digest = _digest(kind, value, content)
    version = value.get("version")
    if version is None:
        latest = _latest(arm, collection, name)
        if latest is not None and _same(latest, digest):
            return latest
        version = _following(arm, collection, name)
    there = arm.find(path(collection, name, "versions", str(version)))
    if there is not None and _same(there, digest):
        return _put(arm, kind, name, str(version), value, content, uri_of=there)
    return _put(arm, kind, name, str(version), value, content)


def _put(
    arm: Arm,
    kind: str,
    name: str,
    version: str,
    value: dict[str, Any],
    content: Content | None,
    *,
    anonymous: bool = False,
    uri_of: dict[str, Any] | None = None,
) -> dict[str, Any]:
    collection = COLLECTIONS[kind]
    body: dict[str, Any] = _RECORDS[kind].sent(value) if kind in _RECORDS else {"properties": {}}
    body.setdefault("properties", {})
    if kind in _URI:
        uri = _source(value)
        if uri_of is not None:
            uri = uri_of["properties"][_URI[kind]]
        elif content is not None:
            uri = upload(arm, collection, name, version, content)
        body["properties"][_URI[kind]] = uri
    elif value.get("docker"):
        body["properties"].setdefault("image", value["docker"]["image"])
    elif value.get("build") and content is not None:
        # A context is a version of nothing by itself: its place is named by what is in it.
        place = f"context-{content.digest[:32]}"
        built = uri_of["properties"].get("build") if uri_of is not None else None
        uri = built["contextUri"] if built else upload(arm, "codes", place, "1", content)
        body["properties"]["build"]["contextUri"] = uri
    put(body, f"properties.properties.{_HASH}", _digest(kind, value, content))
    if anonymous:
        body["properties"]["isAnonymous"] = True
    where = path(collection, name, "versions", version)
    if not anonymous:
        say(f"Registering {kind} {name}, version {version}")
    arm.wait(arm.change("PUT", where, body))
    made: dict[str, Any] = arm.get(where)
    return made


def _source(value: dict[str, Any]) -> str | None:
    return value.get("path") or value.get("local_path")


def _content(kind: str, value: dict[str, Any]) -> Content | None:
    source = _source(value) if kind in _URI else (value.get("build") or {}).get("path")
    if source is None or REMOTE.match(source):
        return None
    return content_of(Path(source))


def _digest(kind: str, value: dict[str, Any], content: Content | None) -> str:
    """Of the same asset the same, on every machine: where files lie does not count."""
    leave_out = ("path", "local_path") if content is not None else ()
    said = {name: each for name, each in value.items() if name not in (*leave_out, "version")}
    if content is not None and "build" in said:
        said["build"] = {name: each for name, each in said["build"].items() if name != "path"}
    whole = [kind, said, content.digest if content is not None else None]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _same(there: dict[str, Any], digest: str) -> bool:
    return bool((there["properties"].get("properties") or {}).get(_HASH) == digest)


def _latest(arm: Arm, collection: str, name: str) -> dict[str, Any] | None:
    if arm.find(path(collection, name)) is None:
        return None
    for version in arm.pages(path(collection, name, "versions"), **{"$top": "1"}):
        found: dict[str, Any] = version
        return found
    return None


def _following(arm: Arm, collection: str, name: str) -> str:
    container = arm.find(path(collection, name))
    return "1" if container is None else str(container["properties"]["nextVersion"])
