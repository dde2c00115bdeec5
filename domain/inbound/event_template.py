"""Texts with places for an event's fields: `azureml://datastores/in/paths/{{data.name}}`."""

import re
from typing import Any

from domain.errors import Detail, Invalid
from domain.inbound.inbound_event import InboundEvent

_PLACE = re.compile(r"\$?\{\{\s*([^{}]*?)\s*\}\}")
"""With Azure ML's `$` before it, or without, as Event Grid's users know it."""
_PATH = re.compile(r"(id|source|type|subject|time)|data(\.[A-Za-z0-9_-]{1,64}){1,8}")
_MOST = 2048


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
        for path in _PLACE.findall(value)
        if not _PATH.fullmatch(path)
    ]


def filled(value: Any, event: InboundEvent) -> Any:
    """`value` with the event's fields in their places. Raises Invalid for a field that is
    not there, or that could lead elsewhere than the template says."""
    if isinstance(value, dict):
        return {key: filled(inner, event) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, event) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value) is not None
    return _PLACE.sub(lambda place: _text(place[1], event, whole=whole), value)


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
