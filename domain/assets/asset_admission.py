"""What may be registered as a version of an asset, and what it then stands for."""

import json
import re
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Protocol

from domain.assets import conda
from domain.assets.asset import (
    AssetKind,
    AssetVersion,
    AutoRebuild,
    BuildContext,
    CodeVersionProperties,
    DataType,
    DataVersionProperties,
    EnvironmentVersionProperties,
    ModelType,
    ModelVersionProperties,
    OsType,
    VersionProperties,
)
from domain.assets.datastore import COLLECTED, DEFAULT, kind_of, locate
from domain.assets.images import base_images, curated_environments
from domain.assets.images.image_name import ImageName
from domain.errors import BlobNotFound, Detail, Invalid, NotFound, refuse
from domain.names import WorkspaceScope
from domain.ports import BlobFolder, BlobStore, Capabilities, EnvironmentBuild, EnvironmentSpec
from domain.values import Value

_IMAGE = "properties.image"
_BUILD = "properties.build"
_BUILD_ALONE = "A build makes the whole image: leave out the condaFile and the image beside it."
_NO_REBUILD = (
    "A version stays what it was registered as, whatever becomes of its base: register a new one."
)
_NO_MLMODEL = (
    "An mlflow_model is a folder with a file MLmodel in it, and there is none. Register anything "
    "else as custom_model."
)
_NO_MLTABLE = "An mltable is a folder with a file MLTable in it, and there is none."
_JOB_OUTPUT = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(/paths)?(?P<path>/.*)?"
)
_WIRE = {"model_uri": "modelUri", "code_uri": "codeUri", "data_uri": "dataUri"}


class RunOutputs(Protocol):
    """Where jobs have written."""

    @abstractmethod
    async def place(self, job: str, output: str) -> BlobFolder:
        """Of an output, by its name. Raises NotFound."""


class AssetAdmission:
    """Checks a new version against the blob store and the compute."""

    def __init__(
        self,
        blobs: BlobStore,
        capabilities: Capabilities,
        scope: WorkspaceScope,
        outputs: RunOutputs,
    ) -> None:
        self._blobs = blobs
        self._capabilities = capabilities
        self._scope = scope
        self._outputs = outputs

    async def admit(self, kind: AssetKind, properties: VersionProperties) -> dict[str, Any]:
        """The fields that a version of `kind` with these properties has besides them: its
        `folder`, or its `resolved` environment. Raises Invalid with every fault."""
        if kind.uri is None:
            if not isinstance(properties, EnvironmentVersionProperties):
                raise TypeError(f"{kind.plural} have no URI and are no environments")
            return await self._environment(properties)
        return {"folder": await self._pointed_at(kind.uri, properties)}

    async def built(self, spec: EnvironmentSpec) -> EnvironmentBuild | None:
        """What building an environment came to; None before that is done."""
        return await self._capabilities.built(spec)

    async def locate(self, kind: AssetKind, properties: VersionProperties) -> BlobFolder | None:
        """Where the properties point, without looking there; None for environments, and for what
        is on the web."""
        if kind.uri is None or _on_the_web(properties, self._blobs):
            return None
        return await self._place(getattr(properties, kind.uri), f"properties.{_WIRE[kind.uri]}")

    async def _place(self, uri: str, target: str) -> BlobFolder:
        of_job = _JOB_OUTPUT.fullmatch(uri)
        if of_job is None:
            return locate(uri, self._scope, self._blobs, target=target)
        try:
            found = await self._outputs.place(of_job["job"], of_job["output"])
        except NotFound as error:
            raise Invalid(error.message, target=target) from None
        below = (of_job["path"] or "").strip("/")
        return BlobFolder(found.container, "/".join(part for part in (found.path, below) if part))

    # -- environments -------------------------------------------------------------------

    async def _environment(self, asked: EnvironmentVersionProperties) -> dict[str, Any]:
        faults = []
        if asked.os_type is not OsType.LINUX:
            faults.append(Detail("NotSupported", "Models run on Linux here.", "properties.osType"))
        if asked.auto_rebuild is not AutoRebuild.DISABLED:
            faults.append(Detail("NotSupported", _NO_REBUILD, "properties.autoRebuild"))
        if asked.build is not None:
            folder = await self._context(asked, asked.build, faults)
            refuse(faults)
            return {"folder": folder, "resolved": None}
        if asked.conda_file is None and asked.image is None:
            told = "An environment needs a condaFile, an image or a build."
            faults.append(Detail("BadArgument", told, conda.TARGET))
        spec: EnvironmentSpec | None = None
        if asked.conda_file is not None:
            spec, told_of_conda = conda.read(asked.conda_file)
            if spec is not None:
                reasons = await self._capabilities.refusals(spec, None)
                told_of_conda = [Detail("NotSupported", each, conda.TARGET) for each in reasons]
            faults += told_of_conda
        if asked.image is not None:
            spec = await self._on_image(spec, asked.image, asked.conda_file is None, faults)
        refuse(faults)
        return {"resolved": spec}

    async def _on_image(
        self, spec: EnvironmentSpec | None, image: str, alone: bool, faults: list[Detail]
    ) -> EnvironmentSpec | None:
        if alone:
            spec = curated_environments.of_image(image)
            if spec is not None:
                return spec
        elif base_images.is_ours(image):
            return spec
        try:
            ImageName.parse(image)
            pinned = await self._capabilities.pinned(image)
        except Invalid as error:
            faults.append(Detail(error.code, error.message, _IMAGE))
            return spec
        return replace(spec or EnvironmentSpec("", ()), image=pinned)

    async def _context(
        self, asked: EnvironmentVersionProperties, build: BuildContext, faults: list[Detail]
    ) -> BlobFolder | None:
        if asked.conda_file is not None or asked.image is not None:
            faults.append(Detail("BadArgument", _BUILD_ALONE, _BUILD))
        if (fault := build.dockerfile_fault) is not None:
            faults.append(Detail("BadArgument", fault, f"{_BUILD}.dockerfilePath"))
            return None
        at = f"{_BUILD}.contextUri"
        try:
            folder = locate(build.context_uri, self._scope, self._blobs, target=at)
            found = await kind_of(folder, self._blobs)
        except Invalid as error:
            faults.append(Detail(error.code, error.message, at))
            return None
        if found is None:
            faults.append(Detail("BadArgument", _nothing_at(build.context_uri), at))
        elif found == "blob":
            told = "A build's context is a folder, and this is one file."
            faults.append(Detail("BadArgument", told, at))
        elif not await self._is_there(folder, build.dockerfile_path):
            told = f"The context has no file '{build.dockerfile_path}'."
            faults.append(Detail("BadArgument", told, f"{_BUILD}.dockerfilePath"))
        return folder

    async def _is_there(self, folder: BlobFolder, path: str) -> bool:
        name = "/".join(part for part in (folder.path, path.removeprefix("./")) if part)
        try:
            await self._blobs.properties(folder.container, name)
        except BlobNotFound:
            return False
        return True

    # -- what has a URI -----------------------------------------------------------------

    async def _pointed_at(self, uri: str, asked: VersionProperties) -> BlobFolder | None:
        target = f"properties.{_WIRE[uri]}"
        given: str = getattr(asked, uri)
        if _on_the_web(asked, self._blobs):
            _check_web(asked, target)
            return None
        folder = await self._place(given, target)
        try:
            found = await kind_of(folder, self._blobs)
        except Invalid as error:
            raise Invalid(error.message, target=target) from None
        if found is None and not _will_be_filled(asked, folder):
            refuse([Detail("BadArgument", _nothing_at(given), target)])
        match asked:
            case CodeVersionProperties() if found == "blob":
                fault = "Code is a folder, and this is one file: name the folder it is in."
                refuse([Detail("BadArgument", fault, target)])
            case ModelVersionProperties(model_type=ModelType.MLFLOW):
                await self._check_mlflow(folder, target)
            case DataVersionProperties():
                await self._check_data(asked.data_type, found, folder, target)
        return folder

    async def _check_data(
        self, data_type: DataType, found: str | None, folder: BlobFolder, target: str
    ) -> None:
        match data_type, found:
            case DataType.MLTABLE, _:
                await self._check_has(folder, "MLTable", _NO_MLTABLE, target)
            case DataType.URI_FILE, "folder":
                raise Invalid("A uri_file is one file, and this is a folder.", target=target)
            case DataType.URI_FOLDER, "blob":
                raise Invalid("A uri_folder is a folder, and this is one file.", target=target)

    async def _check_mlflow(self, folder: BlobFolder, target: str) -> None:
        await self._check_has(folder, "MLmodel", _NO_MLMODEL, target)

    async def _check_has(self, folder: BlobFolder, file: str, fault: str, target: str) -> None:
        name = "/".join(part for part in (folder.path, file) if part)
        try:
            await self._blobs.properties(folder.container, name)
        except BlobNotFound:
            raise Invalid(fault, target=target) from None


def _will_be_filled(asked: VersionProperties, folder: BlobFolder) -> bool:
    """Whether it is the folder of a data collector, which clients register before anything was
    collected."""
    if not isinstance(asked, DataVersionProperties):
        return False
    is_folder = asked.data_type is DataType.URI_FOLDER
    return is_folder and folder.container == DEFAULT and COLLECTED in folder.path.split("/")


def _nothing_at(uri: str) -> str:
    return f"There is nothing at '{uri[:200]}': upload the file or folder first."


def _on_the_web(properties: VersionProperties, blobs: BlobStore) -> bool:
    """Whether it is data at a web address that is none of the blob store's own."""
    if not isinstance(properties, DataVersionProperties):
        return False
    uri = properties.data_uri
    if not uri.casefold().startswith(("https://", "http://")):
        return False
    return blobs.locate(uri.partition("?")[0].removesuffix("/")) is None


def _check_web(properties: VersionProperties, target: str) -> None:
    if getattr(properties, "data_type", None) is not DataType.URI_FILE:
        raise Invalid(
            "Over HTTP one file can be read, and no folder, which has no listing: register a "
            "uri_file, or upload the folder to a datastore.",
            target=target,
        )


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
    text = json.dumps(value.to_document()) if isinstance(value, Value) else str(value)
    shown = text if len(text) <= 120 else f"{text[:120]}…"
    return Detail("Immutable", f"A version keeps its {target} ({shown!r}).", target)
