"""What a job reads: from what the caller names to the files that are there."""

import json
from collections.abc import AsyncIterator

from domain.assets.asset_registration import AssetRegistration
from domain.assets.assets import DataType
from domain.assets.datastore import SYSTEM_CONTAINER, locate
from domain.errors import BlobNotFound, Detail, DomainError, Invalid, NotFound
from domain.jobs.batch_job import InputKind, JobInput
from domain.jobs.batch_plan import PlannedFile, lines_of
from domain.jobs.job_request import JobProperties, RequestedDataset, RequestedInput
from domain.names import WorkspaceScope
from domain.ports import BlobFolder, BlobStore

_AT = "properties.inputData"


class JobInputs:
    """Resolves the input of one request; `faults` collects what is wrong."""

    def __init__(self, assets: AssetRegistration, blobs: BlobStore, scope: WorkspaceScope) -> None:
        self._assets = assets
        self._blobs = blobs
        self._scope = scope
        self.faults: list[Detail] = []

    async def resolve(self, asked: JobProperties) -> JobInput | None:
        """The input meant; None when it has faults."""
        if asked.dataset is not None:
            if asked.input_data:
                self._refuse("Give inputData or dataset, not both.", "properties.dataset")
                return None
            return await self._named("dataset", _of_2021(asked.dataset), "properties.dataset")
        if len(asked.input_data) != 1:
            given = len(asked.input_data)
            self._refuse(f"A model deployment takes exactly one input; {given} were given.", _AT)
            return None
        [(name, requested)] = asked.input_data.items()
        return await self._named(name, requested, f"{_AT}.{name}")

    async def _named(self, name: str, asked: RequestedInput, at: str) -> JobInput | None:
        kind = _kind(asked.job_input_type)
        if kind is None:
            why = "literal inputs are for pipelines, and" if asked.job_input_type else ""
            self._refuse(
                f"'{asked.job_input_type[:40]}' cannot be scored: {why} a model deployment reads "
                "files; jobInputType is UriFile or UriFolder.",
                f"{at}.jobInputType",
            )
        if not asked.uri:
            self._refuse("An input needs a uri.", f"{at}.uri")
        if kind is None or not asked.uri:
            return None
        try:
            return await self._located(name, kind, asked.uri, f"{at}.uri")
        except DomainError as error:
            self.faults.append(Detail(error.code, error.message, f"{at}.uri"))
            return None

    async def _located(self, name: str, kind: InputKind, uri: str, at: str) -> JobInput:
        if _is_data_reference(uri, self._scope):
            version = await self._assets.data(uri)
            kind = _kind_of_data(version.properties.data_type, version.name)
            folder = version.folder
        else:
            folder = locate(uri, self._scope, self._blobs, target=at)
        if kind is InputKind.FILE and not folder.path:
            raise Invalid(f"'{uri[:200]}' names a container, not a file; use UriFolder.")
        return JobInput(
            name=name[:255] or "input",
            kind=kind,
            uri=uri,
            container=folder.container,
            path=folder.path,
        )

    def _refuse(self, message: str, target: str) -> None:
        self.faults.append(Detail("BadArgument", message, target))


def drop_input(endpoint: str, folder: BlobFolder, manifest: str, uri: str) -> JobInput:
    """The files of a drop, as its manifest has captured them."""
    return JobInput(
        name=endpoint,
        kind=InputKind.DROP,
        uri=uri,
        container=folder.container,
        path=folder.path,
        manifest=manifest,
    )


def root_of(input: JobInput) -> str:
    """What stands before a planned file's name in the name of its blob."""
    if input.kind is InputKind.FILE:
        folder, slash, _ = input.path.rpartition("/")
        return folder + slash
    return f"{input.path}/" if input.path else ""


async def files_of(input: JobInput, blobs: BlobStore) -> AsyncIterator[PlannedFile]:
    """The files, nested folders walked, in order of name. Raises NotFound for a UriFile
    that is not there."""
    root = root_of(input)
    if input.kind is InputKind.FILE:
        try:
            blob = await blobs.properties(input.container, input.path)
        except BlobNotFound:
            async for _ in blobs.list(input.container, f"{input.path}/"):
                raise Invalid(
                    f"'{input.uri}' is a folder; say so with jobInputType UriFolder.",
                    code="InputNotFound",
                ) from None
            raise NotFound(f"There is no file at '{input.uri}'.", code="InputNotFound") from None
        yield PlannedFile(blob.name.removeprefix(root), blob.etag, blob.size)
    elif input.kind is InputKind.FOLDER:
        async for blob in blobs.list(input.container, root):
            yield PlannedFile(blob.name.removeprefix(root), blob.etag, blob.size)
    else:
        if input.manifest is None:
            raise Invalid("A drop has a manifest.")
        async for line in lines_of(blobs, SYSTEM_CONTAINER, input.manifest):
            name, etag, size = json.loads(line)[:3]
            yield PlannedFile(name.removeprefix(root), etag, size)


def _kind(text: str) -> InputKind | None:
    folded = text.casefold().replace("_", "")
    return next(
        (k for k in (InputKind.FILE, InputKind.FOLDER) if k.value.casefold() == folded), None
    )


def _kind_of_data(data_type: DataType, name: str) -> InputKind:
    if data_type is DataType.MLTABLE:
        raise Invalid(
            f"'{name}' is an MLTable; a batch endpoint reads files. Register them as "
            "uri_file or uri_folder."
        )
    return InputKind.FILE if data_type is DataType.URI_FILE else InputKind.FOLDER


def _is_data_reference(uri: str, scope: WorkspaceScope) -> bool:
    if uri.startswith("azureml:") and not uri.startswith(("azureml://", "azureml:/")):
        return True
    below = scope.relative(uri)
    return below is not None and below[0].casefold() == "data"


def _of_2021(dataset: RequestedDataset) -> RequestedInput:
    """As inputData would say it. What the old form leaves open is a folder."""
    match dataset.data_input_type.casefold().replace("_", ""):
        case "dataurl":
            uri = dataset.path
        case "datasetversion":
            name, version = dataset.dataset_name or "", dataset.dataset_version
            uri = f"azureml:{name}:{version}" if version else f"azureml:{name}@latest"
        case "datasetid":
            uri = dataset.dataset_id
        case _:
            return RequestedInput(job_input_type=dataset.data_input_type, uri=dataset.path)
    return RequestedInput(job_input_type=InputKind.FOLDER.value, uri=uri)
