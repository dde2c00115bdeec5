"""Registering, reading and deleting versions of assets: one way for models, codes,
environments and data."""

from typing import cast

from domain.assets.asset import (
    CODES,
    DATA,
    ENVIRONMENTS,
    MODELS,
    AnyContainer,
    AssetKind,
    AssetVersion,
    CodeVersion,
    DataVersion,
    DataVersionProperties,
    EnvironmentVersion,
    ModelVersion,
    Saved,
    VersionProperties,
)
from domain.assets.asset_admission import AssetAdmission, change_faults
from domain.assets.asset_containers import AssetContainers
from domain.assets.asset_documents import (
    TRIES,
    AssetDocuments,
    check_names,
    container_write,
    entity,
    left_by,
    noun,
    raced,
    saved,
    version_write,
)
from domain.assets.asset_labels import AssetLabels
from domain.assets.asset_listing import Listing, page_of
from domain.assets.images import curated_environments
from domain.assets.releasing.asset_releasing import AssetReleasing
from domain.assets.sealing.asset_sealing import AssetSealing
from domain.assets.sealing.asset_uploads import AssetUploads
from domain.assets.using.asset_use import InUse, check_unused
from domain.errors import (
    Conflict,
    Detail,
    DocumentExists,
    DocumentNotFound,
    NotFound,
    StaleETag,
    refuse,
)
from domain.ground.resource import Conditions
from domain.names import LATEST, WorkspaceScope, parse_asset_reference
from domain.ports import (
    BlobStore,
    Clock,
    Delete,
    Document,
    EnvironmentBuild,
    EnvironmentSpec,
    Json,
    ResourceStore,
    SealedFolder,
    StorageRoom,
)

_TOO_HIGH = 10**9
"""Versions such as a date with a time are names, and nothing is counted on from them."""


class AssetRegistration:
    """Versions; their containers are at `containers`, their labels at `labels`, and `uploads` is
    where their files come from: nowhere while there is no `room`. `in_use` names whom a deletion
    would break, and what a deleted version leaves is for `releasing`."""

    def __init__(
        self,
        store: ResourceStore,
        blobs: BlobStore,
        clock: Clock,
        scope: WorkspaceScope,
        *,
        admission: AssetAdmission,
        in_use: InUse,
        releasing: AssetReleasing,
        room: StorageRoom,
    ) -> None:
        self._documents = AssetDocuments(store)
        self.containers = AssetContainers(store, self._documents, clock, in_use)
        self.labels = AssetLabels(self._documents, clock)
        self.uploads = AssetUploads(self._documents, blobs, clock, room)
        self._sealing = AssetSealing(self._documents, blobs)
        self._clock = clock
        self._scope = scope
        self._admission = admission
        self._in_use = in_use
        self._releasing = releasing

    # -- what a reference means ---------------------------------------------------------

    async def model(self, reference: str) -> ModelVersion:
        """The version that an ARM id, `azureml:name:version` or `azureml:name@label`
        means. Raises Invalid or NotFound. So do the next three."""
        return cast(ModelVersion, await self._resolve(MODELS, reference))

    async def code(self, reference: str) -> CodeVersion:
        return cast(CodeVersion, await self._resolve(CODES, reference))

    async def environment(self, reference: str) -> EnvironmentVersion:
        return cast(EnvironmentVersion, await self._resolve(ENVIRONMENTS, reference))

    async def environment_spec(self, reference: str) -> tuple[EnvironmentSpec, str]:
        """What a deployment is run in that names it so, with the reference as it is kept: an ARM
        id, or one of Azure ML's curated environments."""
        if curated_environments.is_curated(reference):
            kept, spec = curated_environments.curated(reference)
            return spec, kept
        found = await self.environment(reference)
        kept = self._scope.path("environments", found.name, "versions", found.version)
        return found.spec, kept

    async def environment_build(self, name: str, version: str) -> EnvironmentBuild:
        """What building it came to. Raises NotFound for a version that is not there, or not
        built."""
        found = (await self.version(ENVIRONMENTS, name, version)).asset
        if not isinstance(found, EnvironmentVersion):
            raise TypeError(f"{name} is no environment")
        built = await self._admission.built(found.spec)
        if built is None:
            raise NotFound(
                f"{noun(ENVIRONMENTS, name, version)} has not been built: that is done for the "
                "first deployment that uses it.",
                code="EnvironmentNotBuilt",
            )
        return built

    async def data(self, reference: str) -> DataVersion:
        return cast(DataVersion, await self._resolve(DATA, reference))

    async def files(self, version: ModelVersion | CodeVersion) -> SealedFolder:
        """Those that were registered as it. Raises NotFound, Conflict."""
        kind = MODELS if isinstance(version, ModelVersion) else CODES
        return await self._sealing.files(kind, version)

    async def _resolve(self, kind: AssetKind, reference: str) -> AssetVersion:
        meant = parse_asset_reference(reference, kind.plural, self._scope)
        version = meant.version
        if version is None:
            version = await self.labels.version(kind, meant.name, meant.label or LATEST)
        return (await self.version(kind, meant.name, version)).asset

    # -- versions -----------------------------------------------------------------------

    async def version(self, kind: AssetKind, name: str, version: str) -> Saved[AssetVersion]:
        """Raises NotFound."""
        document = await self._documents.version(kind, name, version)
        if document is None:
            raise NotFound(f"{noun(kind, name, version)} was not found.")
        return saved(kind.version, document)

    async def versions(
        self, kind: AssetKind, name: str, listing: Listing
    ) -> tuple[list[Saved[AssetVersion]], str | None]:
        """A page of a container's versions; empty for a container that is not there, as
        clients ask before they create."""
        return await page_of(self._documents.versions(kind, name), listing)

    async def put_version(
        self,
        kind: AssetKind,
        name: str,
        version: str,
        wanted: VersionProperties,
        caller: str,
        conditions: Conditions,
    ) -> Saved[AssetVersion]:
        """Register a version, and its container with it, or change what may change of one.
        Raises Conflict, naming each fixed field that differs, and Invalid for what may not
        be registered."""
        check_names(name, version)
        what = noun(kind, name, version)
        admitted: Json | None = None
        for _ in range(TRIES):
            container = await self._documents.container(kind, name)
            document = await self._documents.version(kind, name, version)
            conditions.check(document, what)
            if document is None:
                if admitted is None:
                    admitted = await self._admission.admit(kind, wanted)
                    if (folder := admitted.get("folder")) is not None:
                        await self._releasing.check_stays(folder)
                    admitted |= await self._sealing.admit(kind, admitted.get("folder"))
                parent = self._parent(kind, name, wanted, caller, container)
                new = self._new_version(kind, version, parent, wanted, caller, admitted)
                parent = _with(parent, new)
            elif container is None:
                continue  # Both were made between the two looks.
            else:
                old = entity(kind.version, document)
                await self._check_change(kind, old, wanted)
                new = self._changed(kind, old, wanted, caller)
                if new == old:
                    await self.uploads.end(getattr(old, "folder", None))
                    return Saved(old, document.etag)
                parent = entity(kind.container, container)
                parent = await self._after_change(kind, parent, old, new)
            # The container is written each time, so that of two writers one sees the other.
            writes = (version_write(kind, new, document), container_write(kind, parent, container))
            try:
                written, *_ = await self._documents.write(kind, name, *writes)
            except (StaleETag, DocumentExists, DocumentNotFound):
                continue
            await self.uploads.end(getattr(new, "folder", None))
            return saved(kind.version, written, new=document is None)
        raise raced(what)

    def _parent(
        self,
        kind: AssetKind,
        name: str,
        wanted: VersionProperties,
        caller: str,
        document: Document | None,
    ) -> AnyContainer:
        """The container of a new version, made with it where there is none."""
        if document is not None:
            found = entity(kind.container, document)
            _check_data_type(found, wanted)
            return found
        said: Json = {}
        if isinstance(wanted, DataVersionProperties):
            said = {"data_type": wanted.data_type}
        return self.containers.new(kind, name, kind.container_properties(**said), caller)

    def _new_version(
        self,
        kind: AssetKind,
        version: str,
        parent: AnyContainer,
        wanted: VersionProperties,
        caller: str,
        admitted: Json,
    ) -> AssetVersion:
        now = self._clock.now()
        return kind.version(
            name=parent.name,
            version=version,
            ordinal=parent.next_ordinal,
            properties=wanted,
            created_at=now,
            created_by=caller,
            modified_at=now,
            modified_by=caller,
            **admitted,
        )

    async def _check_change(
        self, kind: AssetKind, old: AssetVersion, wanted: VersionProperties
    ) -> None:
        place = getattr(old, "folder", None)
        same_place = place is not None and place == await self._admission.locate(kind, wanted)
        faults = change_faults(kind, old, wanted, same_place)
        if faults:
            raise Conflict(
                f"{noun(kind, old.name, old.version)} exists and cannot be changed: "
                f"{' '.join(fault.message for fault in faults[:3])} Register a new version.",
                code="VersionIsImmutable",
                target=faults[0].target,
                details=faults,
            )

    def _changed(
        self, kind: AssetKind, old: AssetVersion, wanted: VersionProperties, caller: str
    ) -> AssetVersion:
        """`old` with what may change of it; the URI stays as it was first written."""
        if kind.uri is not None:
            wanted = wanted.but(**{kind.uri: getattr(old.properties, kind.uri)})
        if wanted == old.properties:
            return old
        return old.but(properties=wanted, modified_at=self._clock.now(), modified_by=caller)

    async def _after_change(
        self, kind: AssetKind, parent: AnyContainer, old: AssetVersion, new: AssetVersion
    ) -> AnyContainer:
        """The container once `old` has become `new`: archival may move `latest`."""
        if old.properties.is_archived == new.properties.is_archived:
            return parent
        latest = await self._documents.latest(kind, parent.name, without=old.version, beside=new)
        return parent.but(latest=latest)

    async def delete_version(
        self, kind: AssetKind, name: str, version: str, conditions: Conditions
    ) -> bool:
        """False if it is not there. Raises Conflict, naming them, while others use it. Its files
        are freed once nothing uses them, where they lie in a place of the asset's own."""
        what = noun(kind, name, version)
        for _ in range(TRIES):
            container = await self._documents.container(kind, name)
            document = await self._documents.version(kind, name, version)
            if document is None or container is None:
                return False
            conditions.check(document, what)
            await check_unused(self._in_use, kind.plural, name, version)
            latest = await self._documents.latest(kind, name, without=version)
            parent = entity(kind.container, container).but(latest=latest)
            parent = parent.without_labels_of(version)
            delete = Delete(document.id, document.etag)
            left = left_by(kind, entity(kind.version, document), self._clock.now())
            try:
                await self._documents.write(
                    kind, name, delete, container_write(kind, parent, container), *left
                )
            except (StaleETag, DocumentNotFound):
                continue
            return True
        raise raced(what)


def _with(parent: AnyContainer, new: AssetVersion) -> AnyContainer:
    """The container once it has the new version `new`."""
    number = int(new.version) if new.version.isascii() and new.version.isdigit() else 0
    return parent.but(
        latest=parent.latest if new.properties.is_archived else new.version,
        highest=max(parent.highest, number if number < _TOO_HIGH else 0),
        next_ordinal=parent.next_ordinal + 1,
    )


def _check_data_type(container: AnyContainer, wanted: VersionProperties) -> None:
    expected = getattr(container.properties, "data_type", None)
    given = getattr(wanted, "data_type", None)
    if expected != given:
        fault = f"'{container.name}' holds {expected}; its versions cannot be {given}."
        refuse([Detail("BadArgument", fault, "properties.dataType")])
