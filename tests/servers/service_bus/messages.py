"""A message as the broker keeps it: the sender's sections untouched, but for what a broker
writes into them when it delivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proton import Data, Described, Message, symbol, timestamp, uint, ulong

from tests.servers.service_bus.encoding import Section, WireError, sections

_HEADER, _DELIVERY_ANNOTATIONS, _ANNOTATIONS = 0x70, 0x71, 0x72
_PROPERTIES, _APPLICATION_PROPERTIES = 0x73, 0x74
_SCHEDULED = "x-opt-scheduled-enqueue-time"

ACTIVE, DEFERRED, SCHEDULED = 0, 1, 2


@dataclass
class Stored:
    """`delivery_count` counts the deliveries that failed, as on the wire."""

    encoded: bytes
    sequence_number: int = 0
    enqueued_at: float = 0.0
    scheduled_at: float | None = None
    delivery_count: int = 0
    state: int = ACTIVE
    dead_letter: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def received(cls, encoded: bytes) -> "Stored":
        """Raises WireError for what is no message."""
        found = {section.code: section for section in sections(encoded)}
        if not any(code > _APPLICATION_PROPERTIES for code in found):
            raise WireError("a message without a body")
        at = _mapping(found.get(_ANNOTATIONS)).get(symbol(_SCHEDULED))
        return cls(encoded, scheduled_at=None if at is None else at / 1000)

    @classmethod
    def made(cls, body: bytes, properties: Mapping[str, Any] | None = None) -> "Stored":
        """One that no client has sent."""
        message = Message(body=body, properties=dict(properties or {}), inferred=True)
        return cls(bytes(message.encode()))

    def delivered(self, locked_until: float | None = None) -> bytes:
        """The message as a receiver gets it."""
        found = list(sections(self.encoded))
        annotations = _mapping(next((s for s in found if s.code == _ANNOTATIONS), None))
        annotations[symbol("x-opt-sequence-number")] = self.sequence_number
        annotations[symbol("x-opt-enqueued-time")] = _timestamp(self.enqueued_at)
        annotations[symbol("x-opt-message-state")] = self.state
        if locked_until is not None:
            annotations[symbol("x-opt-locked-until")] = _timestamp(locked_until)
        properties = _mapping(next((s for s in found if s.code == _APPLICATION_PROPERTIES), None))
        properties.update(self.dead_letter)
        header = [True, None, None, None, uint(self.delivery_count)]
        parts = [_section(_HEADER, header), _section(_ANNOTATIONS, annotations)]
        parts += [s.encoded for s in found if s.code == _PROPERTIES]
        if properties:
            parts.append(_section(_APPLICATION_PROPERTIES, properties))
        parts += [s.encoded for s in found if s.code > _APPLICATION_PROPERTIES]
        return b"".join(parts)


def _timestamp(seconds: float) -> Any:
    return timestamp(round(seconds * 1000))


def _mapping(section: Section | None) -> dict[Any, Any]:
    if section is None:
        return {}
    data = Data()
    data.decode(section.encoded)
    data.next()
    described: Any = data.get_object()
    return dict(described.value or {})


def _section(code: int, value: Any) -> bytes:
    data = Data()
    data.put_object(Described(ulong(code), value))
    return bytes(data.encode())
