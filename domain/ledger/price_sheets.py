"""The price sheet as it is kept: one for the installation."""

from domain.errors import Conflict, DocumentExists, DocumentNotFound, StaleETag
from domain.ground.resource import Conditions
from domain.ledger.price_sheet import SAMPLE, PriceSheet
from domain.ports import Create, Delete, Document, Replace, ResourceStore, Write

KIND = "priceSheet"
PARTITION = "prices"
ID = "default"


class PriceSheets:
    """The sample is used while none is set."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    async def get(self) -> tuple[PriceSheet, str | None]:
        """With its ETag; None for the sample."""
        document = await self._find()
        if document is None:
            return SAMPLE, None
        return PriceSheet.from_document(document.body["prices"]), document.etag

    async def put(self, sheet: PriceSheet, conditions: Conditions) -> tuple[str, bool]:
        """Its ETag, and whether there was none. What ran before is reckoned by it, too. Raises
        PreconditionFailed, Conflict."""
        document = await self._find()
        conditions.check(document, "The price sheet")
        body = {"kind": KIND, "prices": sheet.to_document()}
        write: Write = Replace(ID, body, document.etag) if document else Create(ID, body)
        try:
            [written] = await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists, DocumentNotFound) as error:
            raise Conflict("The price sheet was changed at the same moment. Try again.") from error
        return written.etag, document is None

    async def delete(self, conditions: Conditions) -> bool:
        """The sample is used from then on. False if none is set."""
        document = await self._find()
        if document is None:
            return False
        conditions.check(document, "The price sheet")
        try:
            await self._store.transact(PARTITION, [Delete(ID, document.etag)])
        except DocumentNotFound:
            return False
        return True

    async def _find(self) -> Document | None:
        try:
            return await self._store.get(PARTITION, ID)
        except DocumentNotFound:
            return None
