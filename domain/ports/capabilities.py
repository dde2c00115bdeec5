"""What a compute can run."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from domain.errors import Detail
from domain.ports.blob_store import SealedFolder
from domain.values import unsaid

_NO_CLUSTER = (
    "This installation has no Kubernetes cluster of which something could be attached: its setting "
    "ML_ENDPOINTS_COMPUTE is not kubernetes."
)


@dataclass(frozen=True)
class PackageIndexes:
    """Where packages come from, as URLs without credentials: `index_url` instead of what is usual,
    the others besides, the first of them first. A package that one of `extra_index_urls` has comes
    from there."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()

    @property
    def urls(self) -> tuple[str, ...]:
        own = (self.index_url,) if self.index_url is not None else ()
        return (*own, *self.extra_index_urls, *self.find_links)

    def over(self, usual: "PackageIndexes") -> "PackageIndexes":
        """These, and what is usual where they say nothing else."""
        return PackageIndexes(
            self.index_url or usual.index_url,
            tuple(dict.fromkeys((*self.extra_index_urls, *usual.extra_index_urls))),
            tuple(dict.fromkeys((*self.find_links, *usual.find_links))),
        )


NO_INDEXES = PackageIndexes()


@dataclass(frozen=True)
class DockerBuild:
    """An image that is built of a folder with a Dockerfile in it, by its path there."""

    context: SealedFolder
    dockerfile: str


@dataclass(frozen=True)
class EnvironmentSpec:
    """What a model's Python needs: a version such as `3.11`, PEP 508 requirements, and the package
    indexes that it names itself. Its hash keys the built environment.

    It stands on the compute's own base, or on `image`, or on what is built by `build`. Without
    a `python` there is nothing to install: the image has all, Python included."""

    python: str
    requirements: tuple[str, ...]
    indexes: Annotated[PackageIndexes, unsaid(NO_INDEXES)] = NO_INDEXES
    image: Annotated[str | None, unsaid(None)] = None
    build: Annotated[DockerBuild | None, unsaid(None)] = None
    uploaded_before: Annotated[str | None, unsaid(None)] = None
    """A date, of UTC: packages are those that the indexes had then."""

    @property
    def needs_image(self) -> bool:
        """Whether it is more than packages."""
        return self.image is not None or self.build is not None


@dataclass(frozen=True)
class EnvironmentBuild:
    """What building an environment came to: `lock` are its packages as they were resolved, in the
    form of requirements, and `log` what was printed. `image` is by its digest or its engine's
    name, `base` what it stands on; None where models are processes."""

    lock: str
    log: str
    image: str | None = None
    base: str | None = None


@dataclass(frozen=True)
class Credentials:
    """Of a package index, for HTTP's Basic authentication."""

    username: str
    password: str = field(repr=False)


class IndexCredentials(Protocol):
    """Who may open package indexes."""

    @abstractmethod
    async def of(self, url: str) -> Credentials | None:
        """What opens the index at `url`; None where nothing is known of it."""


@dataclass(frozen=True)
class ClusterPlace:
    """Which pods of a Kubernetes cluster those of a size are: in `namespace` (None: where the
    installation's own are), on machines with the labels of `selector`. `requests` and `limits` are
    quantities as Kubernetes writes them, by resource."""

    namespace: str | None = None
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InstanceSize:
    """`cpu` in cores, `memory` in bytes. `whole`: nobody named a size, and nothing but what the
    compute itself has holds it. `name`: where it means more to the compute than those two, such
    as which machines it may be on."""

    cpu: float
    memory: int
    whole: bool = False
    name: Annotated[str, unsaid("")] = ""
    place: Annotated[ClusterPlace | None, unsaid(None)] = None

    @property
    def gpus(self) -> int:
        """Of whatever maker."""
        limits = self.place.limits if self.place is not None else {}
        return sum(int(amount) for name, amount in limits.items() if name.endswith("/gpu"))


@dataclass(frozen=True)
class Capacity:
    """Of one thing that the compute has: how much is promised to what runs, and how much may be.
    `unit` is what is counted."""

    name: str
    promised: float
    limit: float
    unit: str


@dataclass(frozen=True)
class IsolationPart:
    """One thing that keeps a script from the host and from other scripts. `detail`: by what it is
    held, or else what a script may do."""

    part: str
    held: bool
    detail: str


class Capabilities(Protocol):
    """What can be said of a wish before anything is started."""

    @abstractmethod
    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        """Every reason why the compute could never run such a thing (no such Python, no
        such instance type, no managed compute here), each a sentence; empty if none."""

    @abstractmethod
    async def cautions(self, environment: EnvironmentSpec) -> Sequence[str]:
        """What whoever wishes for it should know of how it is run here, each a sentence: that it
        has another Python than it pins."""

    @abstractmethod
    async def pinned(self, image: str) -> str:
        """What the name of an image means now, by its digest (`name@sha256:…`); the name as it is
        where that shows only when it is pulled. Raises Invalid where there is no such image."""

    @abstractmethod
    def triton(self) -> EnvironmentSpec:
        """What has the command `tritonserver`, for models that come without an environment. Raises
        Unsupported where servers of the user's own are not run."""

    @abstractmethod
    async def built(self, environment: EnvironmentSpec) -> EnvironmentBuild | None:
        """What building it came to, last time; None where it is not built, by this host or, where
        hosts share what is built, by any."""

    @abstractmethod
    def size(self, instance_type: str | None) -> InstanceSize:
        """What an instance type means here; None: the compute's default. Raises Invalid for
        one that `refusals` refuses."""

    @abstractmethod
    def sizes(self) -> Mapping[str, InstanceSize]:
        """Every instance type that has a meaning here, by its name."""

    def attaches(self) -> bool:
        """Whether namespaces of a Kubernetes cluster can be attached as computes: of most families
        of adapters none can."""
        return False

    async def attachment_faults(self, cluster: str | None, namespace: str) -> Sequence[Detail]:
        """Every reason why `namespace` of a cluster (its ARM id; None: whichever there is here)
        cannot be attached. The cluster is asked. Raises Unavailable while it cannot be."""
        return [Detail("NotSupported", _NO_CLUSTER, "properties.computeType")]

    @abstractmethod
    def capacities(self) -> Sequence[Capacity]:
        """What of the compute is promised now; nothing where only the trying shows it."""

    @abstractmethod
    def shortage(self, key: str, size: InstanceSize, instances: int, workers: int) -> str | None:
        """Why so many instances of `size`, each of so many worker processes, cannot be had now
        under `key` in the place of those that it has: sentences with the numbers. None if they
        can, or where that shows only in the trying."""

    @abstractmethod
    async def closing_fault(self) -> str | None:
        """Why the scripts of one program cannot be kept from every network here, and what to do
        then, as sentences; None if they can."""

    @abstractmethod
    def isolation(self) -> Sequence[IsolationPart]:
        """Every part of what keeps scripts apart, as it is on this host; none where this host runs
        no scripts itself."""
