"""Files and folders as the resources they describe, whichever way they are written."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.documents.faults import Faults
from cli.documents.overrides import apply
from cli.documents.reading import placeholders
from cli.documents.yaml_file import Document, read_documents
from cli.failures import UsageFailed
from cli.kinds.assets import DATA, ENVIRONMENT, MODEL
from cli.kinds.deployments import BATCH_DEPLOYMENT, ONLINE_DEPLOYMENT
from cli.kinds.endpoints import BATCH_ENDPOINT, ONLINE_ENDPOINT
from cli.kinds.types import Record

RECORDS: dict[str, Record] = {
    "environment": ENVIRONMENT,
    "model": MODEL,
    "data": DATA,
    "online-endpoint": ONLINE_ENDPOINT,
    "batch-endpoint": BATCH_ENDPOINT,
    "online-deployment": ONLINE_DEPLOYMENT,
    "batch-deployment": BATCH_DEPLOYMENT,
}
_SCHEMAS = {
    "managedonlineendpoint": "online-endpoint",
    "kubernetesonlineendpoint": "online-endpoint",
    "managedonlinedeployment": "online-deployment",
    "kubernetesonlinedeployment": "online-deployment",
    "batchendpoint": "batch-endpoint",
    "modelbatchdeployment": "batch-deployment",
    "batchdeployment": "batch-deployment",
    "model": "model",
    "environment": "environment",
    "data": "data",
}
_OLD_FIELDS = ("type", "target", "deployments")


@dataclass(frozen=True)
class Source:
    """One resource that a file describes. `endpoint` is a deployment's."""

    kind: str
    name: str
    fields: dict[str, Any]
    file: Path
    endpoint: str = ""

    @property
    def title(self) -> str:
        return f"{self.kind} {self.endpoint + '/' if self.endpoint else ''}{self.name}"


def read_sources(paths: list[str], sets: list[str], *, name: str | None = None) -> list[Source]:
    """Every resource of files and of the YAML files in folders, in the order they are made in;
    with each of `sets` applied to the documents whose kind has such a field, and the `name` of an
    endpoint that is another than its file says. Raises UsageFailed with every fault of them."""
    documents = [document for path in paths for document in _documents(Path(path))]
    if not documents:
        raise UsageFailed(f"{', '.join(paths)}: no YAML file with a resource.")
    _set(documents, sets)
    for document in documents:
        if name:
            document.value["name"] = name
    found: list[Source] = []
    faults: list[str] = []
    for document in documents:
        told = Faults(document)
        placeholders(document.value, (), told)
        if "deployments" in document.value:
            found += _old_form(document, told)
        else:
            found += _one(document, told)
        faults += told.found
    seen: set[tuple[str, str, str]] = set()
    for source in found:
        key = (source.kind, source.endpoint, source.name)
        if key in seen and source.name:
            faults.append(f"{source.file}: {source.title} is described twice.")
        seen.add(key)
    if faults:
        raise UsageFailed("The files can't be used as they stand:", faults=faults)
    order = list(RECORDS)
    return sorted(found, key=lambda source: order.index(source.kind))


def _set(documents: list[Document], sets: list[str]) -> None:
    """Raises UsageFailed for a field that none of several has; one that one alone has not is told
    where it is read."""
    for text in sets:
        field = re.split(r"[=.\[]", text, maxsplit=1)[0]
        takers = [each for each in documents if field in _fields(each.value)]
        if not takers and len(documents) > 1:
            import difflib  # Slow to import.

            known = sorted({name for each in documents for name in _fields(each.value)})
            near = difflib.get_close_matches(field, known, 1, 0.6)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}."
            raise UsageFailed(f"--set {text}: nothing described there has {field!r}.", hint=hint)
        for document in takers or documents:
            apply(document.value, [text])


def _fields(value: dict[str, Any]) -> set[str]:
    """What a document may have at its top, and what this one has."""
    if "deployments" in value:
        kind = "batch-endpoint" if value.get("type") == "batch" else "online-endpoint"
        return {*RECORDS[kind].named, *_OLD_FIELDS, *value}
    known = _kind(value)
    return {*(RECORDS[known].named if known else ()), *value}


def _documents(path: Path) -> list[Document]:
    if not path.is_dir():
        return read_documents(path)
    files = sorted({*path.glob("*.yml"), *path.glob("*.yaml")})
    return [
        document
        for file in files
        for document in read_documents(file)
        # Other YAML lies in such folders, too: conda files, mostly.
        if _kind(document.value) is not None or "deployments" in document.value
    ]


def _one(document: Document, faults: Faults) -> list[Source]:
    kind = _kind(document.value)
    if kind is None:
        faults.add(
            (),
            "which kind of resource is this? `$schema` says it, such as"
            " https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json",
        )
        return []
    fields = RECORDS[kind].read(document.value, (), faults)
    endpoint = ""
    if kind.endswith("-deployment"):
        endpoint = str(fields.get("endpoint_name") or "")
        if not endpoint:
            faults.add((), "endpoint_name is missing: the endpoint it belongs to.")
    return [Source(kind, str(fields.get("name") or ""), fields, _file(document), endpoint)]


def _kind(value: dict[str, Any]) -> str | None:
    said = str(value.get("$schema", "")).rsplit("/", 1)[-1].lower()
    kind = _SCHEMAS.get(said.removesuffix(".json").removesuffix(".schema"))
    if kind:
        return kind
    names = value.keys()
    if "endpoint_name" in names or "code_configuration" in names:
        batch = names & {"compute", "settings", "mini_batch_size", "error_threshold", "resources"}
        online = names & {"instance_type", "request_settings", "instance_count", "scale_settings"}
        return "batch-deployment" if batch and not online else "online-deployment"
    if "defaults" in names and "name" in names:
        return "batch-endpoint"
    if names & {"auth_mode", "traffic", "mirror_traffic"} and "name" in names:
        return "batch-endpoint" if value.get("auth_mode") == "aad_token" else "online-endpoint"
    return None


def _old_form(document: Document, faults: Faults) -> list[Source]:
    """An endpoint with its deployments in one document, as the preview of 2021 had them."""
    value = dict(document.value)
    batch = value.get("type") == "batch"
    if value.get("type") not in ("online", "batch"):
        faults.add(("type",), "online or batch: which type of endpoint is this?")
    listed = value.get("deployments")
    endpoint = {name: each for name, each in value.items() if name not in _OLD_FIELDS}
    if batch and isinstance(endpoint.get("traffic"), dict):
        taken = endpoint.pop("traffic")
        if taken:
            endpoint["defaults"] = {"deployment_name": max(taken, key=lambda name: taken[name])}
    kind = "batch-endpoint" if batch else "online-endpoint"
    fields = RECORDS[kind].read(endpoint, (), faults)
    name = str(fields.get("name") or "")
    found = [Source(kind, name, fields, _file(document))]
    if not isinstance(listed, list):
        faults.add(("deployments",), "a list belongs here.")
        return found
    kind = "batch-deployment" if batch else "online-deployment"
    for number, each in enumerate(listed):
        place = ("deployments", number)
        if not isinstance(each, dict):
            faults.add(place, "fields with values belong here.")
            continue
        told = RECORDS[kind].read(_modern(each, batch=batch), place, faults)
        found.append(Source(kind, str(told.get("name") or ""), told, _file(document), name))
    return found


def _modern(old: dict[str, Any], *, batch: bool) -> dict[str, Any]:
    """2021's fields of a deployment by the names they have since."""
    value = {name: each for name, each in old.items() if name != "type"}
    scale = value.get("scale_settings")
    if isinstance(scale, dict):
        scale = dict(scale)
        count = scale.pop("instance_count", None)
        kind = str(scale.pop("scale_type", scale.pop("type", "default"))).lower()
        if count is not None:
            value["instance_count"] = count
        value.pop("scale_settings")
        if kind in ("auto", "target_utilization", "targetutilization"):
            value["scale_settings"] = {"type": "target_utilization", **scale}
    compute = value.get("compute")
    if batch and isinstance(compute, dict):
        value["compute"] = compute.get("target")
        if compute.get("instance_count") is not None:
            value["resources"] = {"instance_count": compute["instance_count"]}
    code = value.get("code_configuration")
    if isinstance(code, dict) and isinstance(code.get("code"), dict):
        local = code["code"].get("local_path")
        if local is not None:
            value["code_configuration"] = {**code, "code": local}
    return value


def _file(document: Document) -> Path:
    return document.file or Path("the command line")
