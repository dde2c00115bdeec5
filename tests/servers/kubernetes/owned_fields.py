"""Server-side apply: who has which fields, and what comes of two who want the same.

A field is a path of keys: `f:name` of a struct or map, `k:{...}` of an item in a list by its keys,
`v:...` of one in a set. What is atomic is one field, whatever is in it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.servers.kubernetes.schemas import Schema, of_field, resolved

Path = tuple[str, ...]
_NOT_OWNED: Final = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        )
    ),
}


class Conflicts(Exception):
    def __init__(self, found: Sequence[tuple[str, Path]]) -> None:
        told = "\n".join(f'conflict with "{who}": {dotted(path)}' for who, path in found)
        super().__init__(f"Apply failed with {len(found)} conflict(s):\n{told}")


@dataclass
class Manager:
    name: str
    operation: str
    part: str
    fields: set[Path]


def fields_of(body: Mapping[str, Any], schema: Schema) -> set[Path]:
    return {path for path in _leaves(body, schema, ()) if path not in _NOT_OWNED}


def applied(
    live: dict[str, Any],
    wanted: Mapping[str, Any],
    schema: Schema,
    managers: Sequence[Manager],
    by: Manager,
    *,
    force: bool,
) -> tuple[dict[str, Any], list[Manager]]:
    """`by` has the fields that it applied before. Raises Conflicts."""
    new = fields_of(wanted, schema)
    conflicts = [
        (each.name, path)
        for each in managers
        for path in sorted(each.fields & new)
        if value_at(live, path) != value_at(wanted, path)
    ]
    if conflicts and not force:
        raise Conflicts(conflicts)
    taken = {path for _, path in conflicts}
    others = [Manager(m.name, m.operation, m.part, m.fields - taken) for m in managers]
    owned = {path for each in others for path in each.fields}
    merged = _merged(live, wanted, schema)
    left = by.fields - new - owned
    for path in sorted({_whole_item(each, new | owned) for each in left}, key=len, reverse=True):
        _remove(merged, path)
    by = Manager(by.name, by.operation, by.part, new)
    return merged, [each for each in (*others, by) if each.fields]


def _whole_item(path: Path, kept: set[Path]) -> Path:
    """The item that it is in, where nobody has anything of that any more."""
    for number, key in enumerate(path, 1):
        item = path[:number]
        if key.startswith("k:") and not any(each[:number] == item for each in kept):
            return item
    return path


def updated(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    schema: Schema,
    managers: Sequence[Manager],
    by: Manager,
) -> list[Manager]:
    """Whoever changes a field by another way than to apply has it from then on."""
    there = fields_of(after, schema)
    changed = {path for path in there if value_at(before, path) != value_at(after, path)}
    others = [Manager(m.name, m.operation, m.part, (m.fields & there) - changed) for m in managers]
    by = Manager(by.name, by.operation, by.part, (by.fields & there) | changed)
    return [each for each in (*others, by) if each.fields]


def dotted(path: Path) -> str:
    return "".join(f".{key[2:]}" if key.startswith("f:") else f"[{key[2:]}]" for key in path)


def as_fields_v1(fields: set[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        at = tree
        for key in path:
            at = at.setdefault(key, {})
    return tree


def from_fields_v1(tree: Mapping[str, Any], before: Path = ()) -> Iterator[Path]:
    for key, more in tree.items():
        if more:
            yield from from_fields_v1(more, (*before, key))
        else:
            yield (*before, key)


def value_at(body: Any, path: Path) -> Any:
    for key in path:
        kind, name = key[:1], key[2:]
        if kind == "f":
            body = body.get(name) if isinstance(body, dict) else None
        elif kind == "k":
            body = _item(body or [], json.loads(name))
        else:
            body = next((each for each in body or [] if each == json.loads(name)), None)
    return body


def _leaves(value: Any, schema: Schema, at: Path) -> Iterator[Path]:
    schema = _whole(schema)
    if isinstance(value, dict) and value and schema.get("x-kubernetes-map-type") != "atomic":
        for name, each in value.items():
            yield from _leaves(each, of_field(schema, name) or {}, (*at, f"f:{name}"))
    elif isinstance(value, list) and value and _listed(schema) == "map":
        for each in value:
            path = (*at, _key(each, schema))
            yield from _leaves(each, schema["items"], path)
    elif isinstance(value, list) and value and _listed(schema) == "set":
        yield from ((*at, f"v:{json.dumps(each)}") for each in value)
    else:
        yield at


def _merged(live: Any, wanted: Any, schema: Schema) -> Any:
    schema = _whole(schema)
    if isinstance(wanted, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        there = dict(live) if isinstance(live, dict) else {}
        for name, each in wanted.items():
            there[name] = _merged(there.get(name), each, of_field(schema, name) or {})
        return there
    if isinstance(wanted, list) and _listed(schema) == "map":
        return _merged_items(list(live or []), wanted, schema)
    if isinstance(wanted, list) and _listed(schema) == "set":
        return [*(live or []), *(each for each in wanted if each not in (live or []))]
    return wanted


def _merged_items(items: list[Any], wanted: list[Any], schema: Schema) -> list[Any]:
    for each in wanted:
        keys = json.loads(_key(each, schema)[2:])
        old = _item(items, keys)
        new = _merged(old, each, schema["items"])
        items = [new if _item([e], keys) else e for e in items] if old else [*items, new]
    return items


def _remove(body: Any, path: Path) -> None:
    """And what is empty around it then."""
    *before, last = path
    around = value_at(body, tuple(before))
    if around is None:
        return
    if isinstance(around, dict):
        around.pop(last[2:], None)
    elif last.startswith("k:"):
        found = _item(around, json.loads(last[2:]))
        if found is not None:
            around.remove(found)
    else:
        around[:] = [each for each in around if each != json.loads(last[2:])]
    keys = json.loads(before[-1][2:]) if before and before[-1].startswith("k:") else None
    is_bare = keys is not None and isinstance(around, dict) and set(around) <= set(keys)
    if before and (not around or is_bare):
        _remove(body, tuple(before))


def _item(items: Sequence[Any], keys: Mapping[str, Any]) -> Any:
    for each in items:
        if all(each.get(name, _DEFAULTS.get(name)) == value for name, value in keys.items()):
            return each
    return None


def _key(item: Mapping[str, Any], schema: Schema) -> str:
    keys = schema["x-kubernetes-list-map-keys"]
    return f"k:{json.dumps({name: item.get(name, _DEFAULTS.get(name)) for name in keys})}"


_DEFAULTS: Final = {"protocol": "TCP"}


def _listed(schema: Schema) -> str:
    return str(schema.get("x-kubernetes-list-type", "atomic"))


def _whole(schema: Schema) -> Schema:
    return {**resolved(schema), **{k: v for k, v in schema.items() if k != "$ref"}}
