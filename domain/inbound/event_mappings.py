"""Event mappings on the control plane, and their keys."""

from uuid import uuid4

from domain.errors import Conflict, Detail, NotFound, refuse
from domain.ground.keys import Keys, KeyType, SealedKeys, key_fault
from domain.ground.named_resources import NamedResources
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, Stored, Wanted
from domain.inbound.event_mapping import (
    KIND,
    MAX_MAPPINGS,
    PARTITION,
    EventMapping,
    EventMappingProperties,
)
from domain.inbound.event_template import template_faults
from domain.names import endpoint_name_fault
from domain.ports import Cipher, Clock, ResourceStore

_LOOKS = 20


class EventMappings:
    def __init__(self, store: ResourceStore, clock: Clock, cipher: Cipher, location: str) -> None:
        self._clock = clock
        self._cipher = cipher
        self._location = location
        self.resources = NamedResources(
            store,
            EventMapping,
            kind=KIND,
            partition=PARTITION,
            noun="Event mapping",
            name_fault=endpoint_name_fault,
        )

    async def put(
        self,
        name: str,
        wanted: Wanted[EventMappingProperties],
        caller: str,
        conditions: Conditions,
    ) -> tuple[Stored[EventMapping], bool]:
        """Create or change; True says created. The endpoint need not be there yet. Raises
        Invalid with every fault, PreconditionFailed, Conflict."""
        document = await self.resources.admit(name, conditions, MAX_MAPPINGS)
        refuse(_faults(wanted.properties))
        now = self._clock.now()
        taken = wanted.taken(wanted.properties, caller, now)
        if document is not None:
            new = self.resources.of(document).but(**taken)
        else:
            new = EventMapping(
                name=name,
                location=wanted.location or self._location,
                provisioning_state=ProvisioningState.SUCCEEDED,
                uid=uuid4().hex,
                sealed_keys=SealedKeys.generate(self._cipher),
                created_at=now,
                created_by=caller,
                **taken,
            )
        return await self.resources.save(new, document), document is None

    async def delete(self, name: str, conditions: Conditions) -> bool:
        """Jobs that it has started go on. False if it is not there."""
        return await self.resources.delete(name, conditions) is not None

    async def keys(self, name: str) -> Keys:
        """Both, plain. Raises NotFound."""
        return (await self.resources.get(name)).resource.sealed_keys.open(self._cipher)

    async def regenerate_key(
        self, name: str, which: KeyType, value: str | None, caller: str
    ) -> Keys:
        """Replace one key by `value`, or by a random one; the old one is refused from now
        on. Raises NotFound, Invalid, Conflict."""
        if value is not None and (fault := key_fault(value)):
            refuse([Detail("BadArgument", fault, "keyValue")])
        for _ in range(_LOOKS):
            document = await self.resources.find(name)
            if document is None:
                raise NotFound(f"Event mapping '{name[:64]}' was not found.")
            old = self.resources.of(document)
            new = old.but(
                sealed_keys=old.sealed_keys.regenerated(which, self._cipher, value),
                modified_at=self._clock.now(),
                modified_by=caller,
            )
            try:
                await self.resources.save(new, document)
            except Conflict:
                continue
            return new.sealed_keys.open(self._cipher)
        raise Conflict("This is being changed by other requests at the same moment. Try again.")


def _faults(asked: EventMappingProperties) -> list[Detail]:
    faults = template_faults(asked.job.model_dump(mode="json", by_alias=True), "properties.job")
    for field, name in (
        ("endpointName", asked.endpoint_name),
        ("deploymentName", asked.deployment_name),
    ):
        if name is not None and (fault := endpoint_name_fault(name)):
            faults.append(Detail("InvalidName", fault, f"properties.{field}"))
    return faults
