"""`--set`, `--add` and `--remove`: changes of a document before it is read."""

import json
import re
from typing import Any

from cli.failures import UsageFailed

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_PATH = re.compile(r"[^.\[\]]+(\[\d+\])*(\.[^.\[\]]+(\[\d+\])*)*")


def apply(
    value: dict[str, Any],
    sets: list[str],
    adds: list[str] | None = None,
    removes: list[str] | None = None,
) -> None:
    """Change a document in place: `a.b=v`, `a[0].b=v`; `--add a v`; `--remove a.b` or `a 0`.
    Raises UsageFailed."""
    for text in sets:
        name, equals, said = text.partition("=")
        if not equals or not name:
            raise UsageFailed(f"--set {text!r}: NAME=VALUE belongs here.")
        _put(value, _parts(name), _value(said))
    if adds:
        name, *values = adds
        target = _get(value, _parts(name))
        if target is None:
            target = []
            _put(value, _parts(name), target)
        if not isinstance(target, list):
            raise UsageFailed(f"--add {name}: that is no list.")
        target += [_value(each) for each in values]
    if removes:
        name, *index = removes
        parts = _parts(name) + [int(each) for each in index]
        inside = _get(value, parts[:-1])
        try:
            del inside[parts[-1]]
        except (KeyError, IndexError, TypeError):
            raise UsageFailed(f"--remove {' '.join(removes)}: there is no such field.") from None


def _parts(name: str) -> list[Any]:
    if not _PATH.fullmatch(name):
        raise UsageFailed(f"{name!r} is no path to a field.")
    return [match[1] if match[1] is not None else int(match[2]) for match in _PART.finditer(name)]


def _value(said: str) -> Any:
    if said[:1] in "{[" and said:
        try:
            return json.loads(said)
        except ValueError:
            return said
    return {"null": None, "true": True, "false": False}.get(said, said)


def _get(value: Any, parts: list[Any]) -> Any:
    for part in parts:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _put(value: Any, parts: list[Any], new: Any) -> None:
    *way, last = parts
    for part in way:
        if isinstance(value, dict):
            inner = value.get(part)
            if not isinstance(inner, dict | list):
                inner = value[part] = {}
            value = inner
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            raise UsageFailed(f"--set: there is no {part!r} to set anything in.")
    try:
        value[last] = new
    except (IndexError, TypeError):
        raise UsageFailed(f"--set: there is no {last!r} to set.") from None
