"""What a job reads: from what the caller names to where it is."""

from domain.assets.asset import DATA, DataType
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import locate
from domain.assets.naming_rights import NamingRights
from domain.batch.mini_batch_cut import MiniBatchBy
from domain.errors import Detail, DomainError, Invalid
from domain.jobs.planning.row_formats import format_of
from domain.jobs.planning.web_copies import file_name_of
from domain.jobs.records.batch_job import InputKind, JobInput, JobInventory
from domain.jobs.records.job_request import JobProperties, RequestedDataset, RequestedInput
from domain.names import (
    WorkspaceScope,
    file_name_fault,
    is_asset_reference,
    parse_asset_reference,
)
from domain.ports import BlobFolder, BlobStore, WebFiles

_AT = "properties.inputData"
_MOST = 100
_NO_WEB_FOLDER = (
    "A folder cannot be read over HTTP, which has no listing. Name one file with jobInputType "
    "UriFile (a job takes several inputs), or upload the folder to a datastore."
)
_ALSO = (
    "An input may also be a data asset (azureml:<name>:<version>), or one file on the web "
    "(https://…)."
)


class JobInputs:
    """Resolves the inputs of one request, of which `rights` say what may be named; `faults`
    collects what is wrong."""

    def __init__(
        self,
        assets: AssetRegistration,
        blobs: BlobStore,
        web: WebFiles,
        scope: WorkspaceScope,
        rights: NamingRights,
    ) -> None:
        self._rights = rights
        self._assets = assets
        self._blobs = blobs
        self._web = web
        self._scope = scope
        self.faults: list[Detail] = []

    async def resolve(self, asked: JobProperties, by: MiniBatchBy) -> tuple[JobInput, ...]:
        """The inputs meant, in the order given, without those that have faults."""
        if asked.dataset is not None:
            if asked.input_data:
                self._refuse("Give inputData or dataset, not both.", "properties.dataset")
                return ()
            requested = {"dataset": (_of_2021(asked.dataset), "properties.dataset")}
        else:
            requested = {n: (i, f"{_AT}.{n[:255]}") for n, i in asked.input_data.items()}
        if not 1 <= len(requested) <= _MOST:
            self._refuse(f"A job has 1 to {_MOST} inputs; {len(requested)} were given.", _AT)
            return ()
        found: list[JobInput] = []
        for name, (each, at) in requested.items():
            # Of several inputs the name stands before the names of its files.
            if len(requested) > 1 and (fault := file_name_fault(name)):
                self._refuse(f"One of several inputs cannot be called so: {fault}", at)
            input = await self._named(name, each, at)
            if input is not None:
                self._check(input, by, at)
                found.append(input)
        return tuple(found)

    async def _named(self, name: str, asked: RequestedInput, at: str) -> JobInput | None:
        kind = _kind(asked.job_input_type)
        if kind is None:
            why = "literal inputs are for pipelines, and" if asked.job_input_type else ""
            self._refuse(
                f"'{asked.job_input_type[:40]}' cannot be scored: {why} a model deployment reads "
                "files; jobInputType is UriFile or UriFolder. What the script is to know, the "
                "job's environmentVariables say.",
                f"{at}.jobInputType",
            )
        if not asked.uri:
            self._refuse(f"An input needs a uri: a path of a datastore. {_ALSO}", f"{at}.uri")
        if kind is None or not asked.uri:
            return None
        try:
            found = await self._located(name, kind, asked.uri, f"{at}.uri")
        except DomainError as error:
            self.faults.append(Detail(error.code, error.message, f"{at}.uri"))
            return None
        if found is None:
            return None
        found = found.but(include=asked.include, exclude=asked.exclude)
        return self._with_inventory(found, asked.inventory, f"{at}.inventory")

    def _with_inventory(self, input: JobInput, uri: str | None, at: str) -> JobInput | None:
        """None for one that may not be named."""
        if uri is None:
            return input
        if input.kind is not InputKind.FOLDER:
            self._refuse("An inventory lists a folder's files; this is one file.", at)
            return None
        try:
            blob = locate(uri, self._scope, self._blobs, target=at)
        except DomainError as error:
            self.faults.append(Detail(error.code, error.message, at))
            return None
        if not blob.path:
            self._refuse(f"'{uri[:200]}' names a container, not an inventory in it.", at)
            return None
        if not self._rights.may_read_from(blob.container, at):
            return None
        return input.but(inventory=JobInventory(uri=uri, container=blob.container, path=blob.path))

    async def _located(self, name: str, kind: InputKind, uri: str, at: str) -> JobInput | None:
        """None for what may not be named."""
        name, asset_id = name[:255] or "input", None
        if is_asset_reference(uri, DATA.plural, self._scope):
            meant = parse_asset_reference(uri, DATA.plural, self._scope)
            if not self._rights.may_name(DATA.plural, meant.name, at):
                return None
            version = await self._assets.data(uri)
            kind = _kind_of_data(version.properties.data_type, version.name)
            id = self._scope.path(DATA.plural, version.name, "versions", version.version)
            if version.folder is None:
                found = self._on_the_web(name, kind, version.properties.data_uri)
                return found.but(asset_id=id)
            # v0.1.0 goes on with no job that has this: what the uri says is not said again.
            asset_id = id if meant.version is None else None
            folder = version.folder
        elif _is_elsewhere(uri, self._blobs):
            return self._on_the_web(name, kind, uri)
        else:
            folder = self._stored(uri, at)
            if not self._rights.may_read_from(folder.container, at):
                return None
        if kind is InputKind.FILE and not folder.path:
            raise Invalid(f"'{uri[:200]}' names a container, not a file; use UriFolder.")
        return JobInput(
            name=name,
            kind=kind,
            uri=uri,
            container=folder.container,
            path=folder.path,
            asset_id=asset_id,
        )

    def _stored(self, uri: str, at: str) -> BlobFolder:
        try:
            return locate(uri, self._scope, self._blobs, target=at)
        except Invalid as refusal:
            raise Invalid(f"{refusal.message} {_ALSO}") from None

    def _on_the_web(self, name: str, kind: InputKind, url: str) -> JobInput:
        if kind is InputKind.FOLDER:
            raise Invalid(_NO_WEB_FOLDER)
        if fault := self._web.fault(url):
            raise Invalid(fault)
        return JobInput(
            name=name, kind=InputKind.WEB_FILE, uri=url, container="", path=file_name_of(url)
        )

    def _check(self, input: JobInput, by: MiniBatchBy, at: str) -> None:
        if input.kind is InputKind.FOLDER:
            return
        for name in ("include", "exclude"):
            if getattr(input, name):
                self._refuse(
                    "Globs choose among a folder's files; this is one file.", f"{at}.{name}"
                )
        if by is MiniBatchBy.ROWS:
            try:
                format_of(input.path)
            except DomainError as error:
                self.faults.append(Detail(error.code, error.message, f"{at}.uri"))

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


def _is_elsewhere(uri: str, blobs: BlobStore) -> bool:
    """Whether it is a web address, and none of the blob store's own."""
    if not uri.casefold().startswith(("https://", "http://")):
        return False
    return blobs.locate(uri.partition("?")[0].removesuffix("/")) is None


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
