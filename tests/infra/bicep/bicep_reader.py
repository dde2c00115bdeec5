"""Reads the Bicep that is written here, with what tells a text from an expression, which the
parser of test_bicep.py does not say. What it does not know is an error, never passed over."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


class NotRead(Exception):
    """With the line."""


@dataclass(frozen=True)
class Text:
    """`parts` are literal texts and, between them, expressions (as they are written)."""

    parts: tuple[str, ...]

    @property
    def literal(self) -> str | None:
        """The whole text; None where an expression is in it."""
        return self.parts[0] if len(self.parts) == 1 else None


@dataclass(frozen=True)
class Expression:
    """Anything that has to be worked out, as it is written; `values` are the objects, arrays and
    texts that stand in it: what it may come to, or what a function is given."""

    written: str
    values: tuple["Node", ...] = ()
    is_choice: bool = False
    """Whether it comes to one of `values`."""


@dataclass(frozen=True)
class Properties:
    by_name: Mapping[str, "Node"]


@dataclass(frozen=True)
class Items:
    items: tuple["Node", ...]


Node = Text | Expression | Properties | Items | int | bool | None


@dataclass(frozen=True)
class Resource:
    """`type` is `Kind@version`; `body` that of one round where it is made in a loop."""

    symbol: str
    type: str
    is_existing: bool
    body: Properties
    condition: str | None = None


_TOKEN = re.compile(
    r"(?P<space>[ \t]+|//[^\n]*|/\*.*?\*/)|(?P<line>\n)|(?P<text>')|(?P<number>\d+)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<mark>&&|\|\||==|!=|>=|<=|=>|\?\?|[.]\?|[{}\[\]():,.=?!<>+\-*/%@])",
    re.DOTALL,
)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def fail(self, why: str) -> NotRead:
        line = self._text.count("\n", 0, self._at) + 1
        return NotRead(f"line {line}: {why}: {self._text[self._at : self._at + 40]!r}")

    def token(self, *, lines: bool = False) -> str:
        """The next one, which stays: '' at the end, '\\n' where lines count."""
        at = self._at
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                self._at = at
                raise self.fail("unknown sign")
            if found["space"] or (found["line"] and not lines):
                at = found.end()
                continue
            self._at = at
            return found[0]
        self._at = at
        return ""

    def take(self, wanted: str | None = None, *, lines: bool = False) -> str:
        found = self.token(lines=lines)
        if wanted is not None and found != wanted:
            raise self.fail(f"{wanted!r} was to come")
        self._at += len(found)
        return found

    def string(self) -> Text:
        self.take("'")
        parts, literal = [], ""
        while True:
            if self._text.startswith("${", self._at):
                self._at += 2
                begun = self._at
                self.value()
                self.token()
                parts += [literal, self._text[begun : self._at]]
                literal = ""
                self.take("}")
                continue
            sign = self._text[self._at : self._at + 1]
            if sign in ("", "\n"):
                raise self.fail("a text without an end")
            self._at += 1
            if sign == "'":
                return Text((*parts, literal))
            if sign == "\\":
                sign = self._text[self._at]
                self._at += 1
            literal += sign

    def value(self) -> Node:
        begun = self._begun()
        first = self._operand()
        if self.token(lines=True) == "?":
            self.take("?")
            yes = self.value()
            self.take(":")
            no = self.value()
            return Expression(self._text[begun : self._at], (yes, no), is_choice=True)
        operands = [first]
        while self.token(lines=True) in (*"+-*/%<>", "==", "!=", "&&", "||", "??", ">=", "<="):
            self.take()
            operands.append(self._operand())
            if self.token(lines=True) == "?":
                self.take("?")
                yes = self.value()
                self.take(":")
                no = self.value()
                return Expression(self._text[begun : self._at], (yes, no), is_choice=True)
        if len(operands) == 1:
            return first
        return Expression(self._text[begun : self._at], tuple(operands))

    def _begun(self) -> int:
        self.token()
        return self._at

    def _operand(self) -> Node:
        begun, sign = self._begun(), self.token()
        node: Node
        if sign == "!":
            self.take()
            self._operand()
            return Expression(self._text[begun : self._at])
        if sign == "-":
            self.take()
            return -int(self.take())
        if sign == "(":
            self.take()
            node = self.value()
            self.take(")")
        elif sign == "'":
            node = self.string()
        elif sign == "{":
            node = self.properties()
        elif sign == "[":
            node = self._array()
        elif sign.isdigit():
            node = int(self.take())
        elif sign in ("true", "false", "null"):
            node = {"true": True, "false": False, "null": None}[self.take()]
        elif re.match(r"[A-Za-z_]", sign):
            self.take()
            node = Expression(sign)
        else:
            raise self.fail("no value")
        return self._reached(begun, node)

    def _reached(self, begun: int, node: Node) -> Node:
        """With what is asked of it: members, indexes, calls."""
        given: list[Node] = []
        while (sign := self.token(lines=True)) in (".", ".?", "[", "("):
            self.take()
            if sign in (".", ".?"):
                self.take()
            elif sign == "[":
                self.value()
                self.take("]")
            else:
                while self.token() != ")":
                    given.append(self.value())
                    if self.token() == ",":
                        self.take()
                self.take(")")
            node = Expression(self._text[begun : self._at], tuple(given))
        return node

    def properties(self) -> Properties:
        self.take("{")
        found: dict[str, Node] = {}
        while self.token() != "}":
            if self.token() == "'":
                text = self.string()
                name = text.literal if text.literal is not None else "${" + text.parts[1] + "}"
            else:
                name = self.take()
            self.take(":")
            if name in found:
                raise self.fail(f"{name} comes twice")
            found[name] = self.value()
            if self.token(lines=True) not in ("\n", "}", ","):
                raise self.fail("a line was to end")
            if self.token() == ",":
                self.take()
        self.take("}")
        return Properties(found)

    def _array(self) -> Node:
        self.take("[")
        if self.token() == "for":
            items: Node = Items((self.loop(),))
            return items
        found = []
        while self.token() != "]":
            found.append(self.value())
            if self.token() == ",":
                self.take()
        self.take("]")
        return Items(tuple(found))

    def loop(self) -> Node:
        """What each round makes, to the end of the array."""
        self.take("for")
        if self.token() == "(":
            while self.take() != ")":
                pass
        else:
            self.take()
        self.take("in")
        self.value()
        self.take(":")
        made = self.condition_and_value()[1]
        self.take("]")
        return made

    def condition_and_value(self) -> tuple[str | None, Node]:
        condition = None
        if self.token() == "if":
            self.take()
            self.take("(")
            begun = self._begun()
            self.value()
            condition = self._text[begun : self._at].strip()
            self.take(")")
        return condition, self.value()

    def statements(self) -> Iterator[tuple[str, str, "Node | Resource"]]:
        """Kind, name and value of each: parameters and variables, resources, modules, outputs."""
        read: dict[str, Callable[[], tuple[str, Node | Resource]]] = {
            "param": self._parameter,
            "var": self._variable,
            "output": self._output,
            "resource": self._resource,
            "module": self._module,
        }
        while kind := self.token():
            if kind == "@":
                self.take()
                self._operand()
                continue
            self.take()
            if kind == "targetScope":
                self.take("=")
                self.value()
                continue
            if kind not in read:
                raise self.fail(f"no statement begins with {kind}")
            name, value = read[kind]()
            yield kind, name, value
            if self.token(lines=True) not in ("\n", ""):
                raise self.fail("a line was to end")

    def _parameter(self) -> tuple[str, Node]:
        name = self.take()
        self.take()
        if self.token(lines=True) == "=":
            self.take()
            return name, self.value()
        return name, None

    def _variable(self) -> tuple[str, Node]:
        name = self.take()
        self.take("=")
        return name, self.value()

    def _output(self) -> tuple[str, Node]:
        name = self.take()
        self.take()
        self.take("=")
        return name, self.value()

    def _module(self) -> tuple[str, Node]:
        name = self.take()
        self.string()
        self.take("=")
        return name, self._made()[1]

    def _resource(self) -> tuple[str, Resource]:
        name, type = self.take(), self.string().literal
        is_existing = self.token() == "existing"
        if is_existing:
            self.take()
        self.take("=")
        condition, body = self._made()
        if type is None or not isinstance(body, Properties):
            raise self.fail(f"{name} is no resource")
        return name, Resource(name, type, is_existing, body, condition)

    def _made(self) -> tuple[str | None, Node]:
        if self.token() == "[":
            self.take()
            return None, self.loop()
        return self.condition_and_value()


def statements(text: str) -> Sequence[tuple[str, str, Node | Resource]]:
    """Raises NotRead."""
    return list(_Reader(text).statements())


def resources(text: str) -> Sequence[Resource]:
    """Raises NotRead."""
    return [value for _, _, value in statements(text) if isinstance(value, Resource)]
