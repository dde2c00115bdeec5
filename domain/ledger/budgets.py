"""Budgets as resources, and looking whether they are passed."""

from datetime import timedelta

from domain.errors import Detail, DocumentNotFound, StaleETag, refuse
from domain.ground.driving.sweeping import Resume
from domain.ground.facts import Fact
from domain.ground.named_resources import NamedResources
from domain.ground.outbox import Outbox
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted, to_body
from domain.ledger.budget import KIND, MOST, PARTITION, Budget, BudgetProperties
from domain.ledger.cost_query import EVERYTHING, CostQuery, Granularity, Selection
from domain.ledger.cost_reading import CostReading
from domain.ledger.usage import Usage
from domain.names import endpoint_name_fault
from domain.ports import Clock, Document, Replace, ResourceStore


class Budgets:
    """Each is reckoned when it is put and every `every` from then on, by whichever host sweeps."""

    def __init__(
        self,
        store: ResourceStore,
        outbox: Outbox,
        clock: Clock,
        costs: CostReading,
        location: str,
        *,
        every: timedelta,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._costs = costs
        self._location = location
        self._every = every
        self.resources = NamedResources(
            store,
            Budget,
            kind=KIND,
            partition=PARTITION,
            noun="Budget",
            name_fault=endpoint_name_fault,
        )

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {KIND: self.resume}

    async def put(
        self, name: str, wanted: Wanted[BudgetProperties], caller: str, conditions: Conditions
    ) -> tuple[Stored[Budget], bool]:
        """Create or change; True says created. What is passed already is told. Raises Invalid,
        PreconditionFailed, Conflict."""
        document = await self.resources.admit(name, conditions, MOST)
        faults: list[Detail] = []
        if wanted.properties.filter is not None:
            wanted.properties.filter.selection("properties.filter", faults)
        refuse(faults)
        now = self._clock.now()
        taken = wanted.taken(wanted.properties, caller, now)
        if document is not None:
            new = self.resources.of(document).but(**taken)
        else:
            new = Budget(
                name=name,
                location=wanted.location or self._location,
                provisioning_state=ProvisioningState.SUCCEEDED,
                created_at=now,
                created_by=caller,
                **taken,
            )
        stored = await self.resources.save(new, document, due_at=now.timestamp())
        found = await self.resources.find(name)
        if found is None:
            return stored, document is None
        await self.resume(found)
        return await self.resources.get(name), document is None

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """False if it is not there."""
        return await self.resources.delete(name, conditions) is not None

    async def resume(self, document: Document) -> None:
        """Reckon it, and tell what is passed with the same write."""
        budget, now = self.resources.of(document), self._clock.now()
        facts: list[Fact] = []
        if budget.is_on(now):
            since, until = budget.days(now)
            query = CostQuery(since, until, Granularity.NONE, selection=_selection(budget))
            found = await self._costs.read(query, _all)
            spent = sum(row.amounts[0] for row in found.rows)
            budget, facts = budget.reckoned(spent, found.prices.currency, since, now)
        due_at = (now + self._every).timestamp()
        write = Replace(document.id, to_body(KIND, budget), document.etag, due_at=due_at)
        try:
            await self._outbox.transact(PARTITION, [write], facts)
        except (StaleETag, DocumentNotFound):
            return  # Changed meanwhile, or reckoned by another host.


def _selection(budget: Budget) -> Selection:
    asked = budget.properties.filter
    return EVERYTHING if asked is None else asked.selection("", [])


def _all(usage: Usage) -> bool:
    return True
