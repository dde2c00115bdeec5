"""Metric alerts as resources, and looking whether they fire."""

from datetime import datetime

from domain.alerts import alert_facts
from domain.alerts.alert_checks import AlertScopes
from domain.alerts.alert_looking import AlertLooking, Met
from domain.alerts.metric_alert import (
    CHECKS_TO_RESOLVE,
    KIND,
    MOST,
    PARTITION,
    FiredAlert,
    MetricAlert,
    MetricAlertProperties,
)
from domain.errors import Conflict, Detail, DocumentExists, DocumentNotFound, StaleETag, refuse
from domain.ground.driving.sweeping import Resume
from domain.ground.facts import Fact
from domain.ground.named_resources import NamedResources
from domain.ground.outbox import Outbox
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted, to_body
from domain.names import endpoint_name_fault
from domain.ports import Clock, Create, Delete, Document, Replace, ResourceStore, Write

_CHANGED = "The rule was changed."
_DISABLED = "The rule was disabled."
_DELETED = "The rule was deleted."
_OVER = "The condition is not met any more."


class MetricAlerts:
    """A rule's document falls due when it is to be looked at, and whichever host sweeps does. What
    it has found is written over what it has read, with the events: of several hosts that look at
    once, one tells. A disabled one never falls due, and where there is none nothing is done."""

    def __init__(
        self,
        store: ResourceStore,
        outbox: Outbox,
        clock: Clock,
        scopes: AlertScopes,
        looking: AlertLooking,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._scopes = scopes
        self._looking = looking
        self.resources = NamedResources(
            store,
            MetricAlert,
            kind=KIND,
            partition=PARTITION,
            noun="Metric alert",
            name_fault=endpoint_name_fault,
        )

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {KIND: self.resume}

    async def put(
        self, name: str, wanted: Wanted[MetricAlertProperties], caller: str, conditions: Conditions
    ) -> tuple[Stored[MetricAlert], bool]:
        """Create or change; True says created. It is looked at with the next sweep. What has fired
        and is asked for in other words is resolved. Raises Invalid, PreconditionFailed,
        Conflict."""
        document = await self.resources.admit(name, conditions, MOST)
        faults: list[Detail] = []
        await self._scopes.checked(wanted.properties, faults)
        refuse(faults)
        now = self._clock.now()
        taken = wanted.taken(wanted.properties, caller, now)
        facts: list[Fact] = []
        if document is not None:
            old = self.resources.of(document)
            new = old.but(**taken)
            reason = _reason(old.properties, new.properties)
            if reason is not None:
                facts = [alert_facts.resolved(old, each, now, reason) for each in old.fired]
                new = new.but(fired=())
        else:
            new = MetricAlert(
                name=name,
                location=wanted.location or "global",
                provisioning_state=ProvisioningState.SUCCEEDED,
                created_at=now,
                created_by=caller,
                **taken,
            )
        due_at = now.timestamp() if new.properties.enabled else None
        body = to_body(KIND, new)
        write: Write = Create(new.name.casefold(), body, due_at=due_at)
        if document is not None:
            write = Replace(document.id, body, document.etag, due_at=due_at)
        try:
            written, *_ = await self._outbox.transact(PARTITION, [write], facts)
        except (StaleETag, DocumentExists, DocumentNotFound) as error:
            raise Conflict(
                f"Metric alert '{name}' was changed by another request, or looked at, at the same "
                "moment. Try again."
            ) from error
        return Stored(new, written.etag), document is None

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """False if it is not there. What has fired is resolved."""
        while (document := await self.resources.find(name)) is not None:
            conditions.check(document, f"Metric alert '{name[:64]}'")
            alert, now = self.resources.of(document), self._clock.now()
            facts = [alert_facts.resolved(alert, each, now, _DELETED) for each in alert.fired]
            try:
                await self._outbox.transact(PARTITION, [Delete(document.id, document.etag)], facts)
            except StaleETag:
                continue  # Looked at meanwhile.
            except DocumentNotFound:
                return False
            return True
        return False

    async def resume(self, document: Document) -> None:
        """Look at it, and tell what has fired or is over with the same write."""
        alert, now = self.resources.of(document), self._clock.now()
        if not alert.properties.enabled:
            return
        after, facts = looked_at(alert, await self._looking.met(alert.properties, now), now)
        due_at = (now + alert.properties.evaluation_frequency).timestamp()
        write = Replace(document.id, to_body(KIND, after), document.etag, due_at=due_at)
        try:
            await self._outbox.transact(PARTITION, [write], facts)
        except (StaleETag, DocumentNotFound):
            return  # Changed meanwhile, or looked at by another host.


def looked_at(
    alert: MetricAlert, found: list[Met], now: datetime
) -> tuple[MetricAlert, list[Fact]]:
    """The rule after a look at which `found` was met, and what is to be told of it."""
    before = {each.key: each for each in alert.fired}
    facts: list[Fact] = []
    kept: list[FiredAlert] = []
    for met in found:
        new = FiredAlert(
            resource=met.resource, dimensions=met.dimensions, values=met.values, fired_at=now
        )
        known = before.pop(new.key, None)
        if known is None:
            facts.append(alert_facts.fired(alert, new))
        else:
            new = known.but(values=met.values, quiet=0)
        kept.append(new)
    for each in before.values():
        quiet = each.but(quiet=each.quiet + 1)
        if quiet.quiet < CHECKS_TO_RESOLVE:
            kept.append(quiet)
        else:
            facts.append(alert_facts.resolved(alert, each, now, _OVER))
    return alert.but(fired=tuple(kept), looked_at=now), facts


def _reason(old: MetricAlertProperties, new: MetricAlertProperties) -> str | None:
    """Why what has fired is over."""
    if old.enabled and not new.enabled:
        return _DISABLED
    same = (old.scopes, old.criteria, old.window_size) == (
        *(new.scopes, new.criteria, new.window_size),
    )
    return None if same else _CHANGED
