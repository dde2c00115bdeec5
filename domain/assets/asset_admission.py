"""What may be registered as a version of an asset, and what it then stands for."""

from typing import Any

from domain.assets import conda
from domain.assets.asset import (
    AssetKind,
    AssetVersion,
    AutoRebuild,
    CodeVersionProperties,
    DataType,
    DataVersionProperties,
    EnvironmentVersionProperties,
    ModelType,
    ModelVersionProperties,
    OsType,
    VersionProperties,
)
from domain.assets.datastore import kind_of, locate
from domain.errors import BlobNotFound, Detail, Invalid, refuse
from domain.names import WorkspaceScope
from domain.ports import BlobFolder, BlobStore, Capabilities

_WIRE = {"model_uri": "modelUri", "code_uri": "codeUri", "data_uri": "dataUri"}


class AssetAdmission:
    """Checks a new version against the blob store and the compute."""

    def __init__(self, blobs: BlobStore, capabilities: Capabilities, scope: WorkspaceScope) -> None:
        self._blobs = blobs
        self._capabilities = capabilities
        self._scope = scope

    async def admit(self, kind: AssetKind, properties: VersionProperties) -> dict[str, Any]:
        """The fields that a version of `kind` with these properties has besides them: its
        `folder`, or its `resolved` environment. Raises Invalid with every fault."""
        if kind.uri is None:
            if not isinstance(properties, EnvironmentVersionProperties):
                raise TypeError(f"{kind.plural} have no URI and are no environments")
            return {"resolved": await self._environment(properties)}
        return {"folder": await self._pointed_at(kind.uri, properties)}

    def locate(self, kind: AssetKind, properties: VersionProperties) -> BlobFolder | None:
        """Where the properties point, without looking there; None for environments."""
        if kind.uri is None:
            return None
        uri: str = getattr(properties, kind.uri)
        target = f"properties.{_WIRE[kind.uri]}"
        return locate(uri, self._scope, self._blobs, target=target)

    # -- environments -------------------------------------------------------------------

    async def _environment(self, asked: EnvironmentVersionProperties) -> Any:
        faults = []
        if asked.os_type is not OsType.LINUX:
            faults.append(Detail("NotSupported", "Models run on Linux here.", "properties.osType"))
        if asked.auto_rebuild is not AutoRebuild.DISABLED:
            faults.append(
                Detail(
                    "NotSupported",
                    "Images are not used, so nothing is rebuilt when a base image changes.",
                    "properties.autoRebuild",
                )
            )
        if asked.conda_file is None:
            if asked.image is None:
                faults.append(
                    Detail(
                        "BadArgument",
                        "An environment needs a condaFile (an image alone can be registered, "
                        "but not run here).",
                        conda.TARGET,
                    )
                )
            refuse(faults)
            return None
        spec, told = conda.read(asked.conda_file)
        if spec is not None:
            reasons = await self._capabilities.refusals(spec, None)
            told = [Detail("NotSupported", reason, conda.TARGET) for reason in reasons]
        refuse(faults + told)
        return spec

    # -- what has a URI -----------------------------------------------------------------

    async def _pointed_at(self, uri: str, asked: VersionProperties) -> BlobFolder:
        target = f"properties.{_WIRE[uri]}"
        given: str = getattr(asked, uri)
        folder = locate(given, self._scope, self._blobs, target=target)
        try:
            found = await kind_of(folder, self._blobs)
        except Invalid as error:
            raise Invalid(error.message, target=target) from None
        if found is None:
            refuse([Detail("BadArgument", _nothing_at(given), target)])
        match asked:
            case CodeVersionProperties() if found == "blob":
                fault = "Code is a folder, and this is one file: name the folder it is in."
                refuse([Detail("BadArgument", fault, target)])
            case ModelVersionProperties(model_type=ModelType.MLFLOW):
                await self._check_mlflow(folder, target)
            case DataVersionProperties():
                _check_data(asked.data_type, found, target)
        return folder

    async def _check_mlflow(self, folder: BlobFolder, target: str) -> None:
        name = "/".join(part for part in (folder.path, "MLmodel") if part)
        try:
            await self._blobs.properties(folder.container, name)
        except BlobNotFound:
            raise Invalid(
                "An mlflow_model is a folder with a file MLmodel in it, and there is none. "
                "Register anything else as custom_model.",
                target=target,
            ) from None


def _nothing_at(uri: str) -> str:
    return f"There is nothing at '{uri[:200]}': upload the file or folder first."


def _check_data(data_type: DataType, found: str | None, target: str) -> None:
    match data_type, found:
        case DataType.MLTABLE, _:
            raise Invalid(
                "Batch deployments cannot read an mltable; register its files as uri_folder.",
                code="NotSupported",
                target="properties.dataType",
            )
        case DataType.URI_FILE, "folder":
            raise Invalid("A uri_file is one file, and this is a folder.", target=target)
        case DataType.URI_FOLDER, "blob":
            raise Invalid("A uri_folder is a folder, and this is one file.", target=target)


def change_faults(
    kind: AssetKind, old: AssetVersion, wanted: VersionProperties, same_place: bool
) -> list[Detail]:
    """What of `wanted` an existing version may not become. `same_place` says that the URIs
    of both, however written, are one."""
    faults = []
    before, after = old.properties, wanted
    for name, info in type(before).model_fields.items():
        if name in before.FREE or getattr(before, name) == getattr(after, name):
            continue
        if name == "properties":
            for key, value in before.properties.items():
                if after.properties.get(key) != value:
                    faults.append(_fixed(f"properties.properties.{key}", value))
        elif name != kind.uri or not same_place:
            faults.append(_fixed(f"properties.{info.alias}", getattr(before, name)))
    return faults


def _fixed(target: str, value: Any) -> Detail:
    text = str(value)
    shown = text if len(text) <= 120 else f"{text[:120]}…"
    return Detail("Immutable", f"A version keeps its {target} ({shown!r}).", target)
