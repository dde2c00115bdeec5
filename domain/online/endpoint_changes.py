"""Changes of an online endpoint that need no operation: they hold when the call returns,
and in every gateway as soon as its route is fresh."""

from collections.abc import Callable, Sequence

from domain import names
from domain.errors import Conflict, DocumentNotFound, NotFound, StaleETag
from domain.ground.outbox import Outbox
from domain.ground.resource import Stored, from_document, to_body
from domain.online import online_endpoint
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.traffic.traffic_facts import traffic_moved
from domain.ports import Document, Replace, ResourceStore, Write

_LOOKS = 20


class EndpointChanges:
    """`changed` is told the endpoint's name after each change."""

    def __init__(
        self, store: ResourceStore, changed: Callable[[str], None], outbox: Outbox
    ) -> None:
        self._store = store
        self._tell = changed
        self._outbox = outbox

    async def read(self, endpoint: str) -> tuple[OnlineEndpoint, Document]:
        """Raises NotFound."""
        missing = NotFound(f"Online endpoint '{endpoint[:64]}' was not found.")
        if names.endpoint_name_fault(endpoint):
            raise missing
        try:
            document = await self._store.get(
                online_endpoint.partition(endpoint), online_endpoint.DOCUMENT_ID
            )
        except DocumentNotFound:
            raise missing from None
        return from_document(OnlineEndpoint, document), document

    async def write(
        self, new: OnlineEndpoint, document: Document, beside: Sequence[Write] = ()
    ) -> Stored[OnlineEndpoint]:
        """Save `new` in the place of `document`, with `beside` in the same transaction; an
        operation's lease stays. Raises StaleETag, and what `beside` may raise."""
        old = from_document(OnlineEndpoint, document)
        new = new.but(route_version=new.route_version + 1)
        body = to_body(online_endpoint.KIND, new)
        write = Replace(document.id, body, document.etag, due_at=document.due_at)
        written, *_ = await self._outbox.transact(
            document.partition, [write, *beside], traffic_moved(old, new)
        )
        self._tell(new.name)
        return Stored(new, written.etag)

    async def change(
        self, endpoint: str, make: Callable[[OnlineEndpoint], OnlineEndpoint]
    ) -> Stored[OnlineEndpoint]:
        """Save what `make` makes of the endpoint; it is asked anew when somebody else wrote
        in between. Raises NotFound, Conflict, and what `make` raises."""
        for _ in range(_LOOKS):
            old, document = await self.read(endpoint)
            try:
                return await self.write(make(old), document)
            except (StaleETag, DocumentNotFound):
                continue
        raise Conflict("This is being changed by other requests at the same moment. Try again.")
