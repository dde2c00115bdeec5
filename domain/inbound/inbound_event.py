"""Events of other systems as they come in: CloudEvents 1.0 and Event Grid's own schema, one or
an array of them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from domain.errors import MAX_FAULTS, Detail, TooLarge, refuse
from domain.values import Value

MOST_EVENTS = 1000
"""In one request."""

VALIDATION_TYPE = "Microsoft.EventGrid.SubscriptionValidationEvent"

Word = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
Line = Annotated[str, Field(max_length=2048, pattern=r"^[^\x00-\x1f\x7f]*$")]


class InboundEvent(Value):
    """`source` and `id` together tell one event from every other."""

    id: Word
    source: Line = ""
    type: Word
    subject: Line = ""
    time: Line = ""
    data: Any = None

    def value(self, path: str) -> Any:
        """The field at a path such as `subject` or `data.url`; None where there is none."""
        first, *rest = path.split(".")
        found = getattr(self, first) if first in _FIELDS else None
        for name in rest:
            found = found.get(name) if isinstance(found, dict) else None
        return found


_FIELDS = frozenset(InboundEvent.model_fields)


def read_events(body: Any) -> list[InboundEvent]:
    """The events of a JSON body. Raises Invalid with every fault, and TooLarge."""
    given = body if isinstance(body, list) else [body]
    if len(given) > MOST_EVENTS:
        raise TooLarge(f"{len(given)} events came in one request; {MOST_EVENTS} are the limit.")
    faults: list[Detail] = []
    events: list[InboundEvent] = []
    for number, each in enumerate(given):
        if len(faults) >= MAX_FAULTS:
            break
        at = f"{number}" if isinstance(body, list) else "event"
        fields = _fields(each)
        if fields is None:
            told = "This is no event: neither of CloudEvents 1.0 nor of Event Grid's schema."
            faults.append(Detail("BadArgument", told, at))
            continue
        try:
            events.append(InboundEvent.model_validate(fields))
        except ValidationError as error:
            faults += [
                Detail("BadArgument", f"{e['msg']}.", ".".join([at, *map(str, e["loc"])]))
                for e in error.errors(include_url=False, include_context=False)
            ]
    refuse(faults)
    return events


def read_binary(headers: Mapping[str, str], data: Any) -> InboundEvent:
    """An event whose attributes are headers (`ce-id` and so on) and whose data is the body.
    Raises Invalid with every fault."""
    attributes = {name: headers.get(f"ce-{name}") for name in ("id", "source", "type", "subject")}
    given = {name: value for name, value in attributes.items() if value is not None}
    version = headers.get("ce-specversion")
    return read_events({**given, "specversion": version, "data": data})[0]


def validation_code(events: list[InboundEvent]) -> str | None:
    """The code that Event Grid asks back before it sends anything; None: no such question."""
    asked = events[0] if len(events) == 1 else None
    if asked is None or asked.type.casefold() != VALIDATION_TYPE.casefold():
        return None
    code = asked.value("data.validationCode")
    return code if isinstance(code, str) and len(code) <= 512 else None


def _fields(given: Any) -> dict[str, Any] | None:
    """The attributes by our names, of whichever schema; None: of neither."""
    if not isinstance(given, dict):
        return None
    if str(given.get("specversion", "")).startswith("1."):
        names = {name: name for name in ("id", "source", "type", "subject", "time", "data")}
    elif "eventType" in given:
        names = {
            "id": "id",
            "source": "topic",
            "type": "eventType",
            "subject": "subject",
            "time": "eventTime",
            "data": "data",
        }
    else:
        return None
    return {ours: given[theirs] for ours, theirs in names.items() if given.get(theirs) is not None}
