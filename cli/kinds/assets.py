"""Models, environments, code and data: as YAML has them, named or written where they are used."""

import re
from typing import NamedTuple

from cli.documents.faults import Faults
from cli.documents.yaml_file import Place, read_document
from cli.failures import UsageFailed
from cli.kinds.types import (
    Anything,
    Choice,
    Field,
    Json,
    ListOf,
    MapOf,
    Record,
    Text,
    Type,
    Whole,
)

REMOTE = re.compile(r"(?:azureml|https?|wasbs?|abfss?|runs|adl)://", re.IGNORECASE)
_REFERENCE = re.compile(
    r"azureml:(?P<name>[A-Za-z0-9][\w.-]*)(?::(?P<version>[\w.-]+)|@(?P<label>[\w.-]+))"
)

NAME = Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "letters, digits, . _ and -, 255 at most.")
TAGS = MapOf(Text())
COMMON = (
    Field("description", Text(), "properties.description"),
    Field("tags", TAGS, "properties.tags"),
    Field("properties", TAGS, "properties.properties"),
)
READ_ONLY = tuple(
    Field(name, Anything(), ignored=True)
    for name in ("id", "creation_context", "provisioning_state", "resourceGroup", "location")
)


class LocalPath(Type):
    """A file or folder relative to the YAML file, kept whole; or an address, kept as it is."""

    def __init__(self, remote: bool = True) -> None:
        self.remote = remote

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if not isinstance(value, str) or not value:
            faults.add(place, "a path belongs here.")
            return value
        if self.remote and REMOTE.match(value):
            return value
        path = (faults.document.folder / value.removeprefix("file:")).resolve()
        if not path.exists():
            faults.add(place, f"{value}: there is no such file or folder: {path}")
        return str(path)

    def schema(self) -> dict[str, Json]:
        return {"type": "string"}


class CondaFile(Type):
    """A conda file: its path, or what it would say. Kept as its text."""

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if isinstance(value, dict):
            return _as_yaml(value)
        if not isinstance(value, str):
            faults.add(place, "a conda file's path, or what it would say, belongs here.")
            return value
        path = faults.document.folder / value.removeprefix("file:")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            faults.add(place, f"{value} can't be read as a conda file: {error}")
            return value

    def sent(self, value: Json) -> Json:
        return value

    def shown(self, value: Json) -> Json:
        import yaml

        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            return value

    def schema(self) -> dict[str, Json]:
        return {"type": ["string", "object"]}


def _as_yaml(value: Json) -> str:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False)
    return text


_ROUTE = Record(
    (
        Field("port", Whole(1, 65_535), "port", required=True),
        Field("path", Text(), "path", required=True),
    )
)

MODEL = Record(
    (
        Field("name", NAME, doc="generated when it is left out"),
        Field("version", Text(), doc="the next one when it is left out"),
        Field("path", LocalPath(), "properties.modelUri", doc="a file, a folder or an address"),
        Field("local_path", LocalPath(remote=False), doc="path, as 2021's files have it"),
        Field(
            "type",
            Choice(
                {
                    "custom_model": "custom_model",
                    "mlflow_model": "mlflow_model",
                    "triton_model": "triton_model",
                }
            ),
            "properties.modelType",
            default="custom_model",
        ),
        Field("flavors", Anything(), "properties.flavors"),
        Field("stage", Text(), "properties.stage"),
        Field("datastore", Text()),
        *COMMON,
        *READ_ONLY,
        Field("job_name", Anything(), ignored=True),
        Field("latest_version", Anything(), ignored=True),
    ),
    "A model: files that a deployment serves.",
)

ENVIRONMENT = Record(
    (
        Field("name", NAME, doc="generated when it is left out"),
        Field("version", Text(), doc="the next one when it is left out"),
        Field("image", Text(), "properties.image", doc="a container image"),
        Field("conda_file", CondaFile(), "properties.condaFile", doc="its path, or its content"),
        Field(
            "build",
            Record(
                (
                    Field("path", LocalPath(), "contextUri", required=True),
                    Field("dockerfile_path", Text(), "dockerfilePath", default="Dockerfile"),
                )
            ),
            "properties.build",
        ),
        Field("docker", Record((Field("image", Text()),)), doc="image, as 2021's files have it"),
        Field("path", Anything(), doc="of 2021's files; not used"),
        Field(
            "inference_config",
            Record(
                (
                    Field("liveness_route", _ROUTE, "livenessRoute", required=True),
                    Field("readiness_route", _ROUTE, "readinessRoute", required=True),
                    Field("scoring_route", _ROUTE, "scoringRoute", required=True),
                )
            ),
            "properties.inferenceConfig",
        ),
        Field("os_type", Choice({"linux": "Linux", "windows": "Windows"}), "properties.osType"),
        *COMMON,
        *READ_ONLY,
        Field("latest_version", Anything(), ignored=True),
    ),
    "An environment: what a scoring script runs in.",
)

DATA = Record(
    (
        Field("name", NAME, required=True),
        Field("version", Text(), doc="the next one when it is left out"),
        Field("path", LocalPath(), "properties.dataUri", required=True),
        Field(
            "type",
            Choice({"uri_folder": "uri_folder", "uri_file": "uri_file", "mltable": "mltable"}),
            "properties.dataType",
            default="uri_folder",
        ),
        *COMMON,
        *READ_ONLY,
        Field("latest_version", Anything(), ignored=True),
    ),
    "Data that batch jobs read.",
)

CODE = Record(
    (
        Field("name", NAME),
        Field("version", Text()),
        Field("path", LocalPath(), required=True),
        Field("local_path", LocalPath(remote=False)),
        *READ_ONLY,
    )
)


class AssetOf(Type):
    """An asset: a reference (kept as text), or one written here (kept as its record's fields).

    `paths`: plain text is a path, as for code; else it is a reference or `file:other.yml`.
    """

    def __init__(self, kind: str, record: Record, paths: bool = False) -> None:
        self.kind = kind
        self.record = record
        self.paths = paths

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if isinstance(value, dict):
            return self.record.read(value, place, faults)
        if not isinstance(value, str):
            faults.add(place, f"a {self.kind} belongs here: azureml:NAME:VERSION, or its fields.")
            return value
        if is_reference(value):
            return value
        if value.startswith("file:") and not self.paths:
            return self._other(value, place, faults)
        if self.paths:
            return {"path": LocalPath().read(value, place, faults)}
        faults.add(
            place,
            f"{value!r} names no {self.kind}: azureml:NAME:VERSION, azureml:NAME@latest, an id, or"
            " the fields of one.",
        )
        return value

    def _other(self, value: str, place: Place, faults: Faults) -> Json:
        file = faults.document.folder / value.removeprefix("file:")
        try:
            other = read_document(file)
        except UsageFailed as failed:
            faults.add(place, failed.message)
            return value
        inner = Faults(other)
        kept = self.record.read(other.value, (), inner)
        faults.found += inner.found
        return kept

    def sent(self, value: Json) -> Json:
        return value

    def shown(self, value: Json) -> Json:
        if self.paths or not isinstance(value, str) or "://" in value:
            return value
        return f"azureml:{value}"

    def schema(self) -> dict[str, Json]:
        return {"anyOf": [{"type": "string"}, self.record.schema()]}


class Reference(NamedTuple):
    """`azureml:name:version`, or with `@label`."""

    name: str
    version: str | None
    label: str | None


def is_reference(value: str) -> bool:
    """Whether text names an asset that is registered, here or in a registry."""
    return bool(
        _REFERENCE.fullmatch(value)
        or value.startswith(("/subscriptions/", "azureml:/subscriptions/", "azureml://"))
    )


def reference(value: str) -> Reference | None:
    """The parts of `azureml:name:version`, or None for another form."""
    match = _REFERENCE.fullmatch(value)
    return Reference(match["name"], match["version"], match["label"]) if match else None


MODEL_FIELD = AssetOf("model", MODEL)
ENVIRONMENT_FIELD = AssetOf("environment", ENVIRONMENT)
CODE_FIELD = AssetOf("code", CODE, paths=True)

CODE_CONFIGURATION = Record(
    (
        Field("code", CODE_FIELD, "codeId", required=True, doc="the scoring script's folder"),
        Field("scoring_script", Text(), "scoringScript", required=True, doc="its file in there"),
    )
)


class Assigned(Type):
    """Identities by their ids: a list in YAML, a map in REST."""

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        return ListOf(_ASSIGNED).read(value, place, faults)

    def sent(self, value: Json) -> Json:
        return {each["resource_id"]: {} for each in value}

    def shown(self, value: Json) -> Json:
        return [
            {"resource_id": id, **_ASSIGNED.shown(each or {})} for id, each in (value or {}).items()
        ]

    def schema(self) -> dict[str, Json]:
        return ListOf(_ASSIGNED).schema()


_ASSIGNED = Record(
    (
        Field("resource_id", Text(), required=True, doc="the identity's ARM id"),
        Field("client_id", Text(), "clientId", ignored=True),
        Field("principal_id", Text(), "principalId", ignored=True),
    )
)
# Kept here since every list of a kind's fields uses them.
IDENTITY = Record(
    (
        Field(
            "type",
            Choice(
                {
                    "system_assigned": "SystemAssigned",
                    "user_assigned": "UserAssigned",
                    "system_assigned,user_assigned": "SystemAssigned,UserAssigned",
                    "none": "None",
                }
            ),
            "type",
            required=True,
        ),
        Field("user_assigned_identities", Assigned(), "userAssignedIdentities"),
        Field("principal_id", Anything(), "principalId", ignored=True),
        Field("tenant_id", Anything(), "tenantId", ignored=True),
    )
)
