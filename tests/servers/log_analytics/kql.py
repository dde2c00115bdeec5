"""As much of the Kusto query language as the app speaks, understood and carried out. What it does
not know it refuses, as the service does what is no query."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

Row = dict[str, Any]
Value = Callable[[Row], Any]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>\"(?:[^\"\\\n]|\\.)*\")|(?P<time>datetime\([^)\n]*\))"
    r"|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?!\w)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>==|=~|>=|<=|\.\.|[<>=().,]))"
)
_ESCAPES: Final = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


class NoQuery(Exception):
    """`SyntaxError` or `SemanticError`, as the service's errors have it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def run(
    query: str, tables: Mapping[str, Sequence[Row]], columns: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[Row]]:
    """The columns of the answer and its rows."""
    first, *steps = [part.strip() for part in _split(query)]
    if first not in tables:
        raise NoQuery(
            "SemanticError", f"Failed to resolve table or column expression named '{first}'"
        )
    names, rows = list(columns[first]), [dict(row) for row in tables[first]]
    for step in steps:
        names, rows = _step(step, names, rows)
    return names, rows


def _split(query: str) -> list[str]:
    """At the bars that stand in no string."""
    return re.findall(r'(?:[^|"]|"(?:[^"\\\n]|\\.)*")+', query)


def _step(step: str, names: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    verb, _, rest = step.partition(" ")
    if verb == "where":
        wanted = _Parser(rest, names).whole()
        return names, [row for row in rows if wanted(row)]
    if verb == "project":
        return _projected(rest, names, rows)
    if verb == "order":
        for part in reversed(rest.removeprefix("by ").split(",")):
            rows = _sorted(part, names, rows)
        return names, rows
    if verb == "top":
        count, _, by = rest.partition(" by ")
        return names, _sorted(by, names, rows)[: int(count)]
    if verb == "take":
        return names, rows[: int(rest)]
    raise NoQuery("SyntaxError", f"Query could not be parsed at '{verb}'")


def _projected(text: str, names: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    made: dict[str, Value] = {}
    for part in text.split(", "):
        name, is_made, value = part.partition(" = ")
        made[name.strip()] = _Parser(value if is_made else name, names).whole()
    return list(made), [{name: value(row) for name, value in made.items()} for row in rows]


def _sorted(part: str, names: list[str], rows: list[Row]) -> list[Row]:
    name, _, way = part.strip().partition(" ")
    value = _Parser(name, names).whole()
    return sorted(rows, key=value, reverse=way == "desc")


class _Parser:
    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._columns = columns
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise NoQuery("SyntaxError", f"Query could not be parsed at '{text[at:][:20]}'")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        self._at = 0

    def whole(self) -> Value:
        value = self._any()
        if self._at != len(self._tokens):
            raise NoQuery("SyntaxError", f"Query could not be parsed at '{self._next()[1]}'")
        return value

    def _any(self) -> Value:
        sides = [self._all()]
        while self._takes("or"):
            sides.append(self._all())
        return sides[0] if len(sides) == 1 else lambda row: any(side(row) for side in sides)

    def _all(self) -> Value:
        sides = [self._compared()]
        while self._takes("and"):
            sides.append(self._compared())
        return sides[0] if len(sides) == 1 else lambda row: all(side(row) for side in sides)

    def _compared(self) -> Value:
        left = self._value()
        for sign, holds in _SIGNS.items():
            if self._takes(sign):
                right = self._value()
                return lambda row: holds(left(row), right(row))
        if self._takes("between"):
            self._must("(")
            least = self._value()
            self._must("..")
            most = self._value()
            self._must(")")
            return lambda row: left(row) is not None and least(row) <= left(row) <= most(row)
        if self._takes("in"):
            among = self._arguments()
            return lambda row: left(row) in [each(row) for each in among]
        return left

    def _value(self) -> Value:
        if self._takes("("):
            inner = self._any()
            self._must(")")
            return inner
        kind, text = self._next()
        if kind == "string":
            said = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescaped, text[1:-1])
            return lambda row: said
        if kind == "number":
            return lambda row: float(text)
        if kind == "time":
            at = datetime.fromisoformat(text[len("datetime(") : -1])
            return lambda row: at
        if kind != "name":
            raise NoQuery("SyntaxError", f"Query could not be parsed at '{text}'")
        if text in _FUNCTIONS:
            given = self._arguments()
            return lambda row: _FUNCTIONS[text](*(each(row) for each in given))
        if text not in self._columns:
            raise NoQuery("SemanticError", f"Failed to resolve scalar expression named '{text}'")
        if self._takes("."):
            key = self._next()[1]
            return lambda row: (row[text] or {}).get(key)
        return lambda row: row[text]

    def _arguments(self) -> list[Value]:
        self._must("(")
        found = [self._value()]
        while self._takes(","):
            found.append(self._value())
        self._must(")")
        return found

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise NoQuery("SyntaxError", "Query could not be parsed at its end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, text: str) -> bool:
        is_next = self._at < len(self._tokens) and self._tokens[self._at][1] == text
        self._at += is_next
        return is_next

    def _must(self, text: str) -> None:
        if not self._takes(text):
            raise NoQuery("SyntaxError", f"Query could not be parsed: '{text}' is missing")


def _unescaped(found: re.Match[str]) -> str:
    said = found[1]
    if said[0] == "u":
        return chr(int(said[1:], 16))
    if said not in _ESCAPES:
        raise NoQuery("SyntaxError", f"Query could not be parsed at '\\{said}'")
    return _ESCAPES[said]


def _number(kind: type[int] | type[float]) -> Callable[[Any], Any]:
    def made(value: Any) -> Any:
        try:
            return kind(float(value))
        except (TypeError, ValueError):
            return None

    return made


def _known(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: left is not None and right is not None and holds(left, right)


_SIGNS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": _known(lambda left, right: left == right),
    "=~": _known(lambda left, right: str(left).casefold() == str(right).casefold()),
    ">=": _known(lambda left, right: left >= right),
    "<": _known(lambda left, right: left < right),
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "tostring": lambda value: "" if value is None else str(value),
    "toint": _number(int),
    "tolong": _number(int),
    "toreal": _number(float),
    "strcmp": lambda left, right: (left > right) - (left < right),
}
