"""Which function answers a request, by the Functions host's rules: templates are tried in
alphabetical order of function name, the first whose path and method fit wins; literals
match in any case; `{name}` takes one segment, a final `{*name}` the rest.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

_PARAMETER = re.compile(r"\{(\*?)([A-Za-z][A-Za-z0-9_]*)\}")
_REMEMBERED = 2048
_LONGEST = 512
_NOTHING: Mapping[str, str] = MappingProxyType({})


class RouteError(ValueError):
    """A template the host does not understand."""


@dataclass(frozen=True)
class Route(Generic[T]):
    """One function's route; no methods means every method."""

    name: str
    template: str
    methods: frozenset[str]
    target: T


@dataclass(frozen=True)
class NoMatch:
    """No route fits; `allowed` has the methods that would have."""

    allowed: tuple[str, ...]


Match = tuple[T, Mapping[str, str]]


@dataclass
class _Node(Generic[T]):
    """A point in the tree of templates. Entries carry their place in the order."""

    literals: dict[str, "_Node[T]"] = field(default_factory=dict)
    parameter: "_Node[T] | None" = None
    ends: "list[tuple[int, Route[T]]]" = field(default_factory=list)
    rests: "list[tuple[int, Route[T]]]" = field(default_factory=list)


class Routes(Generic[T]):
    """The routes of an app. A match costs the length of the path, not the number of routes."""

    def __init__(self, routes: Iterable[Route[T]]) -> None:
        self._root: _Node[T] = _Node()
        self._names: list[list[tuple[int, str]]] = []
        self._seen: dict[tuple[str, bytes], Match[T]] = {}
        for order, route in enumerate(sorted(routes, key=lambda route: route.name.lower())):
            self._names.append(self._add(order, route))

    def match(self, method: str, raw_path: bytes) -> Match[T] | NoMatch:
        """The target and its path parameters for a path as it came on the wire (still
        percent-encoded), without query. The parameters must not be changed."""
        key = (method, raw_path)
        found = self._seen.get(key)
        if found is not None:
            return found
        path = raw_path.decode("latin-1").removeprefix("/")
        segments = [unquote(s) if "%" in s else s for s in path.split("/")] if path else []
        candidates = sorted(self._candidates(segments), key=lambda entry: entry[0])
        for order, route in candidates:
            if not route.methods or method in route.methods:
                found = (route.target, self._parameters(order, segments))
                # The cache is keyed by what callers send: it is emptied when full, and nothing
                # long is in it.
                if len(raw_path) <= _LONGEST:
                    if len(self._seen) >= _REMEMBERED:
                        self._seen.clear()
                    self._seen[key] = found
                return found
        return NoMatch(tuple(sorted({m for _, route in candidates for m in route.methods})))

    def _add(self, order: int, route: Route[T]) -> list[tuple[int, str]]:
        names: list[tuple[int, str]] = []
        node = self._root
        parts = [part for part in route.template.strip("/").split("/") if part]
        for i, part in enumerate(parts):
            parameter = _PARAMETER.fullmatch(part)
            if parameter is None:
                if "{" in part or "}" in part:
                    raise RouteError(f"{route.name}: cannot read `{part}` in `{route.template}`")
                node = node.literals.setdefault(part.lower(), _Node())
                continue
            names.append((i, parameter[2]))
            if parameter[1]:
                if i != len(parts) - 1:
                    raise RouteError(f"{route.name}: `{part}` must come last")
                node.rests.append((order, route))
                return [*names[:-1], (-i - 1, parameter[2])]
            node.parameter = node.parameter or _Node()
            node = node.parameter
        node.ends.append((order, route))
        return names

    def _candidates(self, segments: Sequence[str]) -> list[tuple[int, Route[T]]]:
        found: list[tuple[int, Route[T]]] = []
        exact = len(segments) - 1 if segments and not segments[-1] else len(segments)
        level = [self._root]
        for depth in range(len(segments) + 1):
            following: list[_Node[T]] = []
            for node in level:
                found += node.rests
                if depth == exact:
                    found += node.ends
                if depth < len(segments):
                    segment = segments[depth]
                    literal = node.literals.get(segment.lower())
                    if literal is not None:
                        following.append(literal)
                    if node.parameter is not None and segment:
                        following.append(node.parameter)
            if not following:
                break
            level = following
        return found

    def _parameters(self, order: int, segments: Sequence[str]) -> Mapping[str, str]:
        names = self._names[order]
        if not names:
            return _NOTHING
        return MappingProxyType(
            {name: segments[at] if at >= 0 else "/".join(segments[-at - 1 :]) for at, name in names}
        )
