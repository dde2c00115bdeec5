"""Microsoft's definitions of resource types, as its Bicep compiler has them, and what a resource
has that they do not allow."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.infra.bicep.bicep_reader import Expression, Items, Node, Properties, Resource, Text

_REQUIRED, _READ_ONLY = 1, 2
_OF_BICEP = {"parent", "scope", "dependsOn"}
"""What Bicep itself takes of a resource."""

Type = Mapping[str, Any]


class ResourceTypes:
    """Those of the files in these folders, one for each namespace and version."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    @cached_property
    def _found(self) -> Mapping[str, tuple[list[Type], Type]]:
        found = {}
        for file in (each for folder in self._folders for each in sorted(folder.glob("*.json"))):
            types = json.loads(file.read_text())
            for one in types:
                if one["$type"] == "ResourceType":
                    found[one["name"].casefold()] = (types, one)
        return found

    def faults(self, resource: Resource) -> list[str]:
        """All that is wrong with it, each with where."""
        known = self._found.get(resource.type.casefold())
        if known is None:
            return [f"{resource.symbol}: there is no {resource.type}"]
        types, type = known
        own = {k: v for k, v in resource.body.by_name.items() if k not in _OF_BICEP}
        if resource.is_existing:
            return [
                f"{resource.symbol}.{name}: is not ours to set" for name in own if name != "name"
            ]
        body = types[_index(type["body"])]
        return list(_Check(types).faults(Properties(own), body, resource.symbol))


class _Check:
    def __init__(self, types: list[Type]) -> None:
        self._types = types

    def faults(self, node: Node, type: Type, at: str) -> Iterator[str]:
        if isinstance(node, Expression):
            # What it comes to is known where it chooses; what is given to a function is not it.
            for each in node.values if node.is_choice else ():
                yield from self.faults(each, type, at)
            return
        if node is None:
            return
        match type["$type"]:
            case "AnyType":
                return
            case "ObjectType":
                yield from self._object(node, type, at)
            case "DiscriminatedObjectType":
                yield from self._one_of(node, type, at)
            case "ArrayType":
                yield from self._array(node, type, at)
            case "UnionType":
                yield from self._union(node, type, at)
            case "StringLiteralType":
                if not isinstance(node, Text) or node.literal not in (None, type["value"]):
                    yield f"{at}: must be '{type['value']}'"
            case "StringType":
                if not isinstance(node, Text):
                    yield f"{at}: must be a text"
            case "IntegerType":
                if isinstance(node, bool) or not isinstance(node, int):
                    yield f"{at}: must be a whole number"
            case "BooleanType":
                if not isinstance(node, bool):
                    yield f"{at}: must be true or false"
            case other:
                raise NotImplementedError(other)

    def _object(self, node: Node, type: Type, at: str) -> Iterator[str]:
        if not isinstance(node, Properties):
            yield f"{at}: must be an object"
            return
        yield from self._members(node, type["properties"], type.get("additionalProperties"), at)

    def _members(
        self, node: Properties, known: Mapping[str, Any], others: Any, at: str
    ) -> Iterator[str]:
        for name, value in node.by_name.items():
            where = f"{at}.{name}"
            if name in known:
                if known[name]["flags"] & _READ_ONLY and not known[name]["flags"] & _REQUIRED:
                    yield f"{where}: is read-only"
                else:
                    yield from self.faults(value, self._of(known[name]["type"]), where)
            elif others is not None:
                yield from self.faults(value, self._of(others), where)
            else:
                yield f"{where}: there is no such property"
        for name, about in known.items():
            is_asked = about["flags"] & _REQUIRED and not about["flags"] & _READ_ONLY
            if is_asked and name not in node.by_name:
                yield f"{at}: lacks {name}"

    def _one_of(self, node: Node, type: Type, at: str) -> Iterator[str]:
        if not isinstance(node, Properties):
            yield f"{at}: must be an object"
            return
        told = node.by_name.get(type["discriminator"])
        kind = told.literal if isinstance(told, Text) else None
        if kind not in type["elements"]:
            kinds = ", ".join(type["elements"])
            yield f"{at}.{type['discriminator']}: must be one of {kinds}"
            return
        element = self._of(type["elements"][kind])
        known = {**type["baseProperties"], **element["properties"]}
        yield from self._members(node, known, element.get("additionalProperties"), at)

    def _array(self, node: Node, type: Type, at: str) -> Iterator[str]:
        if not isinstance(node, Items):
            yield f"{at}: must be an array"
            return
        for number, item in enumerate(node.items):
            yield from self.faults(item, self._of(type["itemType"]), f"{at}[{number}]")

    def _union(self, node: Node, type: Type, at: str) -> Iterator[str]:
        options = [self._of(each) for each in type["elements"]]
        found = [list(self.faults(node, option, at)) for option in options]
        if not any(not faults for faults in found):
            named = [o["value"] for o in options if o["$type"] == "StringLiteralType"]
            yield f"{at}: must be one of {', '.join(named)}"

    def _of(self, reference: Mapping[str, str]) -> Type:
        return self._types[_index(reference)]


def _index(reference: Mapping[str, str]) -> int:
    return int(reference["$ref"].removeprefix("#/"))
