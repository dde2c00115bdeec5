"""An endpoint with its deployments as the files that `mle deploy` takes: here, and elsewhere."""

from pathlib import Path
from typing import Any

from cli.assets.stores import fetch_source
from cli.deploying.plan import COLLECTIONS, shown_fields
from cli.deploying.sources import RECORDS
from cli.failures import CommandFailed, NotFound
from cli.host.arm import path
from cli.kinds.assets import ENVIRONMENT, MODEL
from cli.output.console import say
from cli.verbs import Session

FILE = "endpoint.yaml"
_SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
_SCHEMAS = {
    "online-endpoint": "managedOnlineEndpoint",
    "online-deployment": "managedOnlineDeployment",
    "batch-endpoint": "batchEndpoint",
    "batch-deployment": "modelBatchDeployment",
}
_OF_THE_HOST = ("hash_sha256", "AzureAsyncOperationUri")
_SHORT = 12


def export(session: Session, endpoint: str, folder: Path) -> Path:
    """Write the endpoint's file, with models, code and environments beside it. Keys are left out,
    and so is a rollout: the traffic is that of now. Raises CommandFailed, NotFound."""
    target = folder / FILE
    if target.exists():
        raise CommandFailed(f"{target} is there already; nothing was written.")
    kind = _kind(session, endpoint)
    where = path(COLLECTIONS[kind], endpoint)
    documents = [_document(kind, _fields(kind, session.arm.get(where)))]
    assets = _Assets(session, folder)
    deployment = kind.replace("endpoint", "deployment")
    for there in session.arm.pages(f"{where}/deployments"):
        fields = {"endpoint_name": endpoint, **_fields(deployment, there)}
        documents.append(_document(deployment, assets.written_out(fields)))
    folder.mkdir(parents=True, exist_ok=True)
    import yaml

    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)
    target.write_text(text, encoding="utf-8")
    return target


def _kind(session: Session, endpoint: str) -> str:
    for kind in ("online-endpoint", "batch-endpoint"):
        if session.arm.find(path(COLLECTIONS[kind], endpoint)) is not None:
            return kind
    raise NotFound(f"There is no endpoint {endpoint!r}.", hint="`mle status` lists them.")


def _document(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    name = {"name": fields.pop("name")}
    return {"$schema": _SCHEMA.format(_SCHEMAS[kind]), **name, **fields}


def _fields(kind: str, there: Any) -> dict[str, Any]:
    """What a file says of it, without what the host alone knows."""
    fields = {"name": there["name"], **shown_fields(kind, there)}
    fields.pop("rollout", None)
    identity = fields.get("identity")
    if identity:
        fields["identity"] = {
            name: value for name, value in identity.items() if not name.endswith("_id")
        }
    return _said({name: each for name, each in fields.items() if name in RECORDS[kind].named})


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing, and what the host writes there for itself."""
    kept = dict(fields)
    if isinstance(kept.get("properties"), dict):
        own = {name: each for name, each in kept["properties"].items() if name not in _OF_THE_HOST}
        kept["properties"] = own
    return {name: each for name, each in kept.items() if each not in (None, {}, [])}


class _Assets:
    """Fetches each version once, into folders beside the endpoint's file."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        self._folder = folder

    def written_out(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields with every asset of the workspace in them, in place of its id."""
        kept = dict(fields)
        for name, write in (("model", self._model), ("environment", self._environment)):
            if _is_here(kept.get(name)):
                kept[name] = write(kept[name].removeprefix("azureml:"))
        code = kept.get("code_configuration")
        if code is not None and _is_here(code["code"]):
            kept["code_configuration"] = {**code, "code": self._code(code["code"])}
        if kept.get("compute"):
            kept["compute"] = kept["compute"].rsplit("/", 1)[-1]
        for collection in (kept.get("data_collector") or {}).get("collections", {}).values():
            if _is_here(collection.get("data")):
                collection["data"] = self._data(collection["data"].removeprefix("azureml:"))
        return kept

    def _model(self, id: str) -> dict[str, Any]:
        version = self._version(id)
        fields = _said({**_named(id, version), **MODEL.shown(version)})
        place = self._place("models", id, version)
        return {**fields, "path": self._fetched(version["properties"]["modelUri"], place)}

    def _code(self, id: str) -> str | dict[str, Any]:
        version = self._version(id)
        place = self._place("codes", id, version)
        fetched = self._fetched(version["properties"]["codeUri"], place)
        named = _named(id, version)
        return {**named, "path": fetched} if named else fetched

    def _environment(self, id: str) -> dict[str, Any]:
        version = self._version(id)
        fields = _said({**_named(id, version), **ENVIRONMENT.shown(version)})
        if fields.get("os_type") == "linux":
            del fields["os_type"]
        place = self._place("environments", id, version)
        conda = version["properties"].get("condaFile")
        if conda:
            file = self._folder / place / "conda.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(conda, encoding="utf-8")
            fields["conda_file"] = f"{place}/conda.yaml"
        build = version["properties"].get("build")
        if build:
            fields["build"]["path"] = self._fetched(build["contextUri"], place)
        return fields

    def _data(self, id: str) -> dict[str, Any]:
        version = self._version(id)
        name, number = _named_by(id)
        return {"name": name, "version": number, "path": version["properties"]["dataUri"]}

    def _version(self, id: str) -> Any:
        return self._session.arm.get(id.partition("/workspaces/")[2].partition("/")[2])

    def _place(self, collection: str, id: str, version: Any) -> str:
        name, number = _named_by(id)
        short = f"{name}-{number}" if _named(id, version) else name[:_SHORT]
        return f"{collection}/{short}"

    def _fetched(self, uri: str, place: str) -> str:
        """What lies at the address, in a place below the folder."""
        target = self._folder / place
        if not target.exists():
            say(f"Fetching {place}")
            fetch_source(self._session.arm, uri, target)
        [source] = target.iterdir()
        return f"{place}/{source.name}"


def _is_here(value: Any) -> bool:
    """Whether it names a version of the workspace."""
    return isinstance(value, str) and value.removeprefix("azureml:").startswith("/subscriptions/")


def _named(id: str, version: Any) -> dict[str, str]:
    """Name and version, of an asset that somebody named."""
    if version["properties"].get("isAnonymous"):
        return {}
    name, number = _named_by(id)
    return {"name": name, "version": number}


def _named_by(id: str) -> tuple[str, str]:
    """The name and version of a version's ARM id."""
    name, _, number = id.split("/")[-3:]
    return name, number
