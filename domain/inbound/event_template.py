"""Texts with places for an event's fields: `azureml://datastores/in/paths/{{data.name}}`."""

import re
from typing import Any

from domain.errors import Detail, Invalid
from domain.inbound.inbound_event import InboundEvent

_PLACE = re.compile(r"\$?\{\{([^{}]*+)\}\}")
"""With Azure ML's `$` before it, or without, as Event Grid's users know it. Nothing in it can
match in two ways, so that a text is read once, whatever it holds."""
_PATH = re.compile(r"(id|source|type|subject|time)|data(\.[A-Za-z0-9_-]{1,64}){1,8}")
_MOST = 2048
_MOST_IN_ALL = 256 * 1024


def template_faults(value: Any, at: str) -> list[Detail]:
    """What is wrong with the places in every text of `value`."""
    if isinstance(value, dict):
        return [f for key, inner in value.items() for f in template_faults(inner, f"{at}.{key}")]
    if isinstance(value, list):
        return [f for n, inner in enumerate(value) for f in template_faults(inner, f"{at}.{n}")]
    if not isinstance(value, str):
        return []
    return [
        Detail(
            "BadArgument",
            f"'{{{{{path[:80]}}}}}' is no place for a field of an event; there are id, source, "
            "type, subject, time and data.<field>.",
            at,
        )
        for path in map(str.strip, _PLACE.findall(value))
        if not _PATH.fullmatch(path)
    ]


def filled(value: Any, event: InboundEvent) -> Any:
    """`value` with the event's fields in their places. Raises Invalid for a field that is
    not there, or that could lead elsewhere than the template says, and for more text than a
    job can have."""
    return _Filling(event).of(value)


class _Filling:
    """Of one template by one event; it tells how much has been filled in."""

    def __init__(self, event: InboundEvent) -> None:
        self._event = event
        self._size = 0

    def of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.of(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner) for inner in value]
        if not isinstance(value, str):
            return value
        whole = _PLACE.fullmatch(value) is not None
        return _PLACE.sub(lambda place: self._place(place[1].strip(), whole=whole), value)

    def _place(self, path: str, *, whole: bool) -> str:
        text = _text(path, self._event, whole=whole)
        self._size += len(text)
        if self._size > _MOST_IN_ALL:
            raise Invalid(f"The event fills in over {_MOST_IN_ALL} characters.", target=path)
        return text


def _text(path: str, event: InboundEvent, *, whole: bool) -> str:
    found = event.value(path)
    if isinstance(found, bool):
        return "true" if found else "false"
    if not isinstance(found, str | int | float):
        raise Invalid(f"The event has no text or number at '{path}'.", target=path)
    text = str(found)
    if len(text) > _MOST or not text.isprintable():
        raise Invalid(f"The event's '{path}' is over {_MOST} characters or not text.", target=path)
    if ".." in re.split(r"[/\\]", text.replace("%2e", ".").replace("%2E", ".")):
        raise Invalid(f"The event's '{path}' leads out of its folder.", target=path)
    if not whole and (text.startswith("/") or any(c in text for c in "\\?#%")):
        # Alone it is checked as what it stands for; among other text it must be plain.
        raise Invalid(
            f"The event's '{path}' has characters that a part of a path cannot have.", target=path
        )
    return text
