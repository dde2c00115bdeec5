"""Models, codes, environments and data: containers that hold immutable versions.

The four kinds differ in a row of `KINDS`; everything that is done with them is written once.
A version never changes what it points at. Its description, tags, stage and archival may
change, and its properties may gain keys.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field, field_validator

from domain.assets import conda
from domain.assets.images import curated_environments
from domain.assets.sealing.seals import Seal
from domain.assets.servers.inference_config import InferenceConfig
from domain.errors import Invalid
from domain.ground.resource import StringMap, Tags, Text
from domain.ports import BlobFolder, DockerBuild, EnvironmentSpec, SealedFolder
from domain.values import Value, unsaid

Uri = Annotated[str, Field(min_length=1, max_length=4096)]
Stage = Annotated[str, Field(max_length=256)]


class AssetProperties(Value):
    """What the user of any asset says of it. `FREE` names what may change later."""

    FREE: ClassVar[frozenset[str]] = frozenset({"description", "tags", "is_archived"})

    description: Text | None = None
    tags: Tags = {}
    properties: StringMap = {}
    is_archived: bool = False


class DataType(StrEnum):
    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLTABLE = "mltable"

    @classmethod
    def _missing_(cls, value: object) -> "DataType | None":
        return next((t for t in cls if _same(t, value)), None)


class ModelType(StrEnum):
    CUSTOM = "custom_model"
    MLFLOW = "mlflow_model"
    TRITON = "triton_model"

    @classmethod
    def _missing_(cls, value: object) -> "ModelType | None":
        return next((t for t in cls if _same(t, value)), None)


class OsType(StrEnum):
    LINUX = "Linux"
    WINDOWS = "Windows"


class AutoRebuild(StrEnum):
    DISABLED = "Disabled"
    ON_BASE_IMAGE_UPDATE = "OnBaseImageUpdate"


def _same(member: str, value: object) -> bool:
    """`CustomModel` and `custom_model` are one."""
    return member.replace("_", "") == str(value).casefold().replace("_", "")


class ContainerProperties(AssetProperties):
    pass


class DataContainerProperties(AssetProperties):
    data_type: DataType = DataType.URI_FOLDER


class Flavor(Value):
    data: StringMap = {}


class ModelVersionProperties(AssetProperties):
    FREE: ClassVar = AssetProperties.FREE | {"stage"}

    is_anonymous: bool = False
    model_type: ModelType = ModelType.CUSTOM
    model_uri: Uri
    flavors: dict[str, Flavor] = {}
    job_name: str | None = None
    stage: Stage | None = None


class CodeVersionProperties(AssetProperties):
    is_anonymous: bool = False
    code_uri: Uri


class BuildContext(Value):
    """A folder in the blob store with a Dockerfile in it."""

    context_uri: Uri
    dockerfile_path: Annotated[str, Field(min_length=1, max_length=1024)] = "Dockerfile"

    @property
    def dockerfile_fault(self) -> str | None:
        path = PurePosixPath(self.dockerfile_path)
        if path.is_absolute() or ".." in path.parts or not self.dockerfile_path.isprintable():
            return f"{self.dockerfile_path[:100]!r} is not a path of a file inside the context."
        return None


class EnvironmentVersionProperties(AssetProperties):
    """`conda_file` is YAML text, whether it came as text or as an object; it is installed on
    `image`, if there is one. `build` excludes both. `inference_config` is where a server in the
    image is asked, of a deployment that runs that (domain/assets/servers)."""

    FREE: ClassVar = AssetProperties.FREE | {"stage"}

    is_anonymous: bool = False
    conda_file: str | None = None
    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    build: Annotated[BuildContext | None, unsaid(None)] = None
    inference_config: Annotated[InferenceConfig | None, unsaid(None)] = None
    os_type: OsType = OsType.LINUX
    auto_rebuild: AutoRebuild = AutoRebuild.DISABLED
    stage: Stage | None = None

    @field_validator("conda_file", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return conda.text_of(value)


class DataVersionProperties(AssetProperties):
    is_anonymous: bool = False
    data_type: DataType = DataType.URI_FOLDER
    data_uri: Uri
    referenced_uris: Annotated[tuple[str, ...], unsaid(())] = ()
    """Those that an mltable names, as its client has read it."""

    @field_validator("referenced_uris", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        return () if value is None else value


VersionProperties = (
    ModelVersionProperties
    | CodeVersionProperties
    | EnvironmentVersionProperties
    | DataVersionProperties
)
P = TypeVar("P", bound=AssetProperties)


class AssetContainer(Value, Generic[P]):
    """All versions of one name, who made it and who changed it last. `next_ordinal` counts
    creations and `highest` is the highest whole number that was ever a version: neither is
    used twice. `latest` is the version created last of those that are not archived. `labels` are
    those that users gave to versions, in lower case."""

    name: str
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str
    properties: P
    next_ordinal: int = 1
    highest: int = 0
    latest: str | None = None
    labels: Annotated[dict[str, str], unsaid({})] = {}

    def without_labels_of(self, version: str) -> Self:
        """Once that version is gone."""
        kept = {k: v for k, v in self.labels.items() if v.casefold() != version.casefold()}
        return self.but(labels=kept)

    @property
    def next_version(self) -> str:
        return str(self.highest + 1)


AnyContainer = AssetContainer[ContainerProperties] | AssetContainer[DataContainerProperties]


class AssetVersion(Value):
    """Who made it and who changed it last. `ordinal` is its place in the order of creation
    within its container."""

    name: str
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str
    version: str
    ordinal: int
    properties: VersionProperties


class ModelVersion(AssetVersion):
    """`folder` is where the model's file or files are, and `seal` what they were when it was
    registered; None for what v0.1.0 has registered, until it is first used."""

    properties: ModelVersionProperties
    folder: BlobFolder
    seal: Seal | None = None


class CodeVersion(AssetVersion):
    """`folder` holds the scoring script and what it imports; `seal` as a model's."""

    properties: CodeVersionProperties
    folder: BlobFolder
    seal: Seal | None = None


class EnvironmentVersion(AssetVersion):
    """`resolved` is what the conda file and the image meant when they were registered; `folder` is
    the build's context, and `seal` what was in it then."""

    properties: EnvironmentVersionProperties
    resolved: EnvironmentSpec | None = None
    folder: Annotated[BlobFolder | None, unsaid(None)] = None
    seal: Seal | None = None

    @property
    def spec(self) -> EnvironmentSpec:
        """What a deployment builds."""
        build, folder = self.properties.build, self.folder
        if build is not None and folder is not None and self.seal is not None:
            context = SealedFolder(folder.container, folder.path, self.seal.id)
            return EnvironmentSpec("", (), build=DockerBuild(context, build.dockerfile_path))
        if self.resolved is not None:
            return self.resolved
        if self.properties.image is None:
            raise Invalid(f"Environment '{self.name}:{self.version}' has nothing to be made of.")
        # As v0.1.0 has registered it.
        image = self.properties.image
        return curated_environments.of_image(image) or EnvironmentSpec("", (), image=image)

    @property
    def is_image_alone(self) -> bool:
        """Whether nothing is installed beside what is in the image."""
        return self.spec.needs_image and not self.spec.python


class DataVersion(AssetVersion):
    """`folder` is the file or folder that the data are: a place, whose files may come and go; None
    for a file on the web. A job reads them as they were when it was planned."""

    properties: DataVersionProperties
    folder: BlobFolder | None = None


@dataclass(frozen=True)
class AssetKind:
    """A row of what makes one kind differ. `uri` names the property that points into the
    blob store; who has one can be uploaded to. What `is_run` is sealed: its files are those
    that were registered."""

    plural: str
    noun: str
    container: type[AnyContainer]
    container_properties: type[AssetProperties]
    version: type[AssetVersion]
    version_properties: type[VersionProperties]
    uri: str | None = None
    is_run: bool = False

    @property
    def container_kind(self) -> str:
        return f"{self.noun}Container"

    @property
    def version_kind(self) -> str:
        return f"{self.noun}Version"

    def partition(self, name: str) -> str:
        """Holds the container and its versions, so that one transaction can speak of both."""
        return f"{self.plural}/{name.casefold()}"


MODELS = AssetKind(
    "models",
    "model",
    AssetContainer[ContainerProperties],
    ContainerProperties,
    ModelVersion,
    ModelVersionProperties,
    "model_uri",
    is_run=True,
)
CODES = AssetKind(
    "codes",
    "code",
    AssetContainer[ContainerProperties],
    ContainerProperties,
    CodeVersion,
    CodeVersionProperties,
    "code_uri",
    is_run=True,
)
ENVIRONMENTS = AssetKind(
    "environments",
    "environment",
    AssetContainer[ContainerProperties],
    ContainerProperties,
    EnvironmentVersion,
    EnvironmentVersionProperties,
    is_run=True,
)
DATA = AssetKind(
    "data",
    "data",
    AssetContainer[DataContainerProperties],
    DataContainerProperties,
    DataVersion,
    DataVersionProperties,
    "data_uri",
)
KINDS = (MODELS, CODES, ENVIRONMENTS, DATA)

CONTAINER_ID = "container"


def version_id(version: str) -> str:
    return f"version:{version.casefold()}"


A_co = TypeVar("A_co", bound=Value, covariant=True)


@dataclass(frozen=True)
class Saved(Generic[A_co]):
    """An asset as it stands, with the ETag of its document. `new` says that this call
    created it."""

    asset: A_co
    etag: str
    new: bool = False
