"""What is wrong with a wish, for whoever refuses it anyway: every fault is to be told at once."""

from typing import Generic, final

from domain.errors import Detail, DomainError, Invalid
from domain.ground.resource import Wanted
from domain.names import endpoint_name_fault
from domain.ports import Clock, Principal
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.endpoint_identities import EndpointIdentities
from domain.provisioning.kind import DP, EP, D, E, Kind
from domain.provisioning.place import Place


@final
class WishChecking(Generic[E, EP, D, DP]):
    """Of one kind of endpoint. Changes nothing."""

    def __init__(
        self,
        documents: EndpointDocuments[E, D],
        kind: Kind[E, EP, D, DP],
        clock: Clock,
        identities: EndpointIdentities[E, D],
    ) -> None:
        self._documents = documents
        self._kind = kind
        self._clock = clock
        self._identities = identities

    async def endpoint_faults(
        self, name: str, wanted: Wanted[EP], caller: Principal
    ) -> list[Detail]:
        """As far as they can be told of an endpoint that may not be there."""
        document = await self._documents.find(Place(name))
        old = self._kind.types.endpoint(document) if document else None
        siblings = await self._documents.all_deployments(name) if old else []
        faults = await self._kind.endpoint_faults(wanted, old, [each.resource for each in siblings])
        faults += await self._identities.faults(wanted)
        return [*([] if old else _name_faults(name)), *faults]

    async def deployment_faults(
        self, endpoint: str, name: str, wanted: Wanted[DP], caller: Principal
    ) -> list[Detail]:
        """None for an endpoint that is not there, nor where the caller names what he may not."""
        parent = await self._documents.find(Place(endpoint))
        if parent is None:
            return []
        there = await self._documents.find(Place(endpoint, name))
        faults = _name_faults(name) if there is None else []
        owner, now = self._kind.types.endpoint(parent), self._clock.now()
        try:
            await self._kind.new_deployment(owner, name, wanted, None, caller, now)
        except Invalid as error:
            faults += error.details
        except DomainError:
            pass  # It is of another kind, and told of a request that can be read.
        return faults


def _name_faults(name: str) -> list[Detail]:
    fault = endpoint_name_fault(name)
    return [Detail("InvalidName", fault, "name")] if fault else []
