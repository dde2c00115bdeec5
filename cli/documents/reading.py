"""A file, flags and overrides as the checked fields of one kind."""

import copy
import re
from pathlib import Path
from typing import Any

from cli.documents.faults import Faults
from cli.documents.overrides import apply
from cli.documents.yaml_file import Document, read_document
from cli.failures import UsageFailed
from cli.kinds.types import Record


def read(
    record: Record,
    what: str,
    *,
    file: str | None = None,
    given: dict[str, Any] | None = None,
    sets: list[str] | None = None,
    base: dict[str, Any] | None = None,
    adds: list[str] | None = None,
    removes: list[str] | None = None,
) -> dict[str, Any]:
    """The fields of a `what`: of the file over `base`, over them those `given` on the command line,
    over all of them `sets`. Raises UsageFailed with every fault and its place."""
    document = read_document(Path(file)) if file else Document({}, None)
    if base is not None:
        document.value = merged(copy.deepcopy(base), document.value)
    for name, value in (given or {}).items():
        if value is not None:
            document.value[name] = value
            document.marks.pop((name,), None)
    apply(document.value, sets or [], adds, removes)
    faults = Faults(document)
    placeholders(document.value, (), faults)
    fields: dict[str, Any] = record.read(document.value, (), faults)
    faults.raise_any(f"The {what}" + (f" in {file}" if file else ""))
    return fields


def merged(base: Any, over: Any) -> Any:
    """`over` laid over `base`, field by field."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {
        **base,
        **{name: merged(base[name], each) if name in base else each for name, each in over.items()},
    }


_LEFT = re.compile(r"(?<!\$)\{\{[^{}]*\}\}")


def placeholders(value: Any, place: tuple[str | int, ...], faults: Faults) -> None:
    """Tell what was left to be filled in, `{{LIKE_THIS}}`; what the host fills in, `${{name}}`, is
    not."""
    if isinstance(value, dict):
        for name, each in value.items():
            placeholders(each, (*place, name), faults)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            placeholders(each, (*place, number), faults)
    elif isinstance(value, str) and _LEFT.search(value):
        faults.add(place, f"{value!r} is to be filled in, here or by --set.")


def pairs(texts: list[str] | None, flag: str, separators: str = "=") -> dict[str, str] | None:
    """`a=1 b=2` as a mapping. Raises UsageFailed for what has no `=`."""
    if not texts:
        return None
    found: dict[str, str] = {}
    for text in " ".join(texts).replace(",", " ").split():
        for separator in separators:
            name, there, value = text.partition(separator)
            if there:
                found[name] = value
                break
        else:
            raise UsageFailed(f"{flag} {text!r}: NAME=VALUE belongs here.")
    return found


def difference(before: Any, after: Any) -> dict[str, Any]:
    """The merge patch (RFC 7396) that makes `after` of `before`."""
    patch: dict[str, Any] = {}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            patch[name] = None
        elif name not in before:
            patch[name] = after[name]
        elif isinstance(before[name], dict) and isinstance(after[name], dict):
            inner = difference(before[name], after[name])
            if inner:
                patch[name] = inner
        elif before[name] != after[name]:
            patch[name] = after[name]
    return patch
