"""What provisioning asks of a kind of endpoint, and all that it knows of one: what its
resources are called, what they may be, and what of them is to run."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from domain.errors import Detail
from domain.ground.facts import Fact
from domain.ground.resource import TrackedResource, Wanted, from_document
from domain.ports import Document, Principal, Write
from domain.provisioning.place import Place
from domain.values import Value

E = TypeVar("E", bound=TrackedResource)
EP = TypeVar("EP", bound=Value)
D = TypeVar("D", bound=TrackedResource)
DP = TypeVar("DP", bound=Value)
D_contra = TypeVar("D_contra", bound=TrackedResource, contravariant=True)
W_co = TypeVar("W_co", covariant=True)

EndpointKind = Literal["onlineEndpoints", "batchEndpoints"]


@dataclass(frozen=True)
class KindTypes(Generic[E, D]):
    """What the resources of one kind are and how they are called: by ARM (`kind`), in the
    store (`endpoint_kind`, `deployment_kind`) and on the compute, where what runs of a
    deployment has a key that begins with `key_prefix`."""

    kind: EndpointKind
    noun: str
    endpoint_type: type[E]
    endpoint_kind: str
    deployment_type: type[D]
    deployment_kind: str
    key_prefix: str
    has_identities: bool
    """Whether scripts of its deployments are to others what their endpoint is."""

    def partition(self, endpoint: str) -> str:
        """Of an endpoint, its deployments and their operations, so that one transaction can
        speak of all of them."""
        return f"{self.kind}/{endpoint.casefold()}"

    def identity_holder(self, endpoint: str) -> str:
        """Who has an endpoint's identities, as a path below the workspace."""
        return f"{self.kind}/{endpoint}"

    def store_kind(self, place: Place) -> str:
        return self.deployment_kind if place.is_deployment else self.endpoint_kind

    def endpoint(self, document: Document) -> E:
        return from_document(self.endpoint_type, document)

    def deployment(self, document: Document) -> D:
        return from_document(self.deployment_type, document)

    def resource(self, document: Document) -> TrackedResource:
        """An endpoint or a deployment, as the document says."""
        is_deployment = document.body["kind"] == self.deployment_kind
        return self.deployment(document) if is_deployment else self.endpoint(document)

    def workload_key(self, place: Place) -> str:
        return f"{self.key_prefix}{place.endpoint.casefold()}/{place.name.casefold()}"

    def place_of_key(self, key: str) -> Place | None:
        """Which deployment's a key on the compute is; None for what is none's."""
        if not key.startswith(self.key_prefix):
            return None
        endpoint, _, deployment = key.removeprefix(self.key_prefix).partition("/")
        return Place(endpoint, deployment)


class Kind(Protocol[E, EP, D, DP]):
    """What the resources of a kind may be, and what becomes of them."""

    @property
    @abstractmethod
    def types(self) -> KindTypes[E, D]: ...

    # -- endpoints ----------------------------------------------------------------------

    @abstractmethod
    async def endpoint_faults(
        self, wanted: Wanted[EP], old: E | None, deployments: Sequence[D]
    ) -> list[Detail]:
        """Every fault of the wish."""

    @abstractmethod
    def new_endpoint(
        self, name: str, wanted: Wanted[EP], old: E | None, caller: str, now: datetime
    ) -> E:
        """The entity that `wanted` makes of `old`, one generation later."""

    @abstractmethod
    def beside_endpoint(self, old: E | None, new: E, now: datetime) -> list[Write]:
        """What is written together with an endpoint that was put."""

    @abstractmethod
    def endpoint_facts(self, old: E | None, new: E) -> list[Fact]:
        """What a change of an endpoint changes at once, as it is told."""

    @abstractmethod
    def touched(self, endpoint: E) -> E:
        """The endpoint after something of it, or of one of its deployments, has changed that
        whoever routes to it must know."""

    @abstractmethod
    def changed(self, endpoint: str) -> None:
        """Called after anything of the endpoint was saved."""

    # -- deployments --------------------------------------------------------------------

    @abstractmethod
    async def new_deployment(
        self,
        endpoint: E,
        name: str,
        wanted: Wanted[DP],
        old: D | None,
        caller: Principal,
        now: datetime,
    ) -> D:
        """The entity that `wanted` makes of `old`, one generation later. Raises Forbidden for
        what the caller may not name, and Invalid with every fault."""

    @abstractmethod
    async def beside_deployment(self, old: D | None, new: D, now: datetime) -> list[Write]:
        """What is written together with a deployment that was put."""

    @abstractmethod
    async def beside_removal(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        """What is written together with the removal of deployments."""

    @abstractmethod
    def is_only_scaled(self, old: D, new: D) -> bool:
        """Whether nothing but the instance count differs."""

    @abstractmethod
    async def tell_scaled(self, old: D, new: D) -> None:
        """Called once a deployment is saved: has the log say so where it is to have another
        count of instances."""

    @abstractmethod
    def check_removable(self, endpoint: E, deployment: D) -> None:
        """Raises Conflict while the endpoint still needs the deployment."""

    @abstractmethod
    def proven(self, deployment: D) -> D:
        """The deployment with a note of what it runs now, which has succeeded."""

    @abstractmethod
    def before_failure(self, deployment: D) -> D | None:
        """The deployment as it last succeeded; None if it never has."""


class KindWorkloads(Protocol[D_contra, W_co]):
    """What is to run of a kind's deployments."""

    @abstractmethod
    async def of(self, deployment: D_contra) -> W_co:
        """Raises DomainError if something that the deployment points at is gone."""

    @abstractmethod
    async def revision_and_count(self, deployment: D_contra) -> tuple[str, int]:
        """Those of what `of` gives, without a look at what the deployment points at: versions
        never change."""
