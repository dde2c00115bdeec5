"""The types of fields: what is checked in YAML, how it is said in REST, and back.

`read` takes what stood in YAML and returns what is kept, telling every fault; `sent` makes of that
what REST has; `shown` makes of REST's what Azure's command line shows; `schema` is JSON Schema's.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from cli.documents.faults import Faults
from cli.documents.yaml_file import Place
from cli.kinds.spans import iso_duration, seconds_of

Json = Any


class Type(ABC):
    """As the module says; what YAML and REST write alike is sent and shown as it is."""

    @abstractmethod
    def read(self, value: Json, place: Place, faults: Faults) -> Json: ...

    @abstractmethod
    def schema(self) -> dict[str, Json]: ...

    def sent(self, value: Json) -> Json:
        return value

    def shown(self, value: Json) -> Json:
        return value


class Text(Type):
    """Text, and numbers as they are written."""

    def __init__(self, pattern: str = "", rule: str = "", longest: int = 0) -> None:
        self.pattern = pattern
        self.rule = rule
        self.longest = longest

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if isinstance(value, bool):
            value = str(value).lower()
        if isinstance(value, int | float):
            value = str(value)
        if not isinstance(value, str):
            faults.add(place, f"text belongs here, not {_kind(value)}.")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            faults.add(place, f"{value!r}: {self.rule}")
        elif self.longest and len(value) > self.longest:
            faults.add(place, f"{len(value)} characters; {self.longest} at most.")
        return value

    def schema(self) -> dict[str, Json]:
        said: dict[str, Json] = {"type": ["string", "number", "boolean"]}
        if self.pattern:
            said = {"type": "string", "pattern": f"^{self.pattern}$"}
        if self.longest:
            said["maxLength"] = self.longest
        return said


class Whole(Type):
    """A whole number, also as text; `least` and `most` are included."""

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        self.least = least
        self.most = most

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            faults.add(place, f"a whole number belongs here, not {_told(value)}.")
            return value
        if self.least is not None and value < self.least:
            faults.add(place, f"{value} is too small: {self.least} at least.")
        if self.most is not None and value > self.most:
            faults.add(place, f"{value} is too large: {self.most} at most.")
        return value

    def schema(self) -> dict[str, Json]:
        said: dict[str, Json] = {"type": "integer"}
        if self.least is not None:
            said["minimum"] = self.least
        if self.most is not None:
            said["maximum"] = self.most
        return said


class Number(Type):
    """Any number from `least` to `most`."""

    def __init__(self, least: float, most: float) -> None:
        self.least = least
        self.most = most

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        try:
            number = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError):
            number = None
        if number is None or not self.least <= number <= self.most:
            faults.add(place, f"{_told(value)}: a number from {self.least:g} to {self.most:g}.")
        return number

    def schema(self) -> dict[str, Json]:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


class Flag(Type):
    """True or false; `as_enum` is said as Enabled or Disabled in REST."""

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        if not isinstance(value, bool):
            faults.add(place, f"true or false, not {_told(value)}.")
        return value

    def schema(self) -> dict[str, Json]:
        return {"type": "boolean"}


class Choice(Type):
    """One of some words, in any case; `words` has each with what REST says for it."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = words

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        said = str(value).lower().replace("-", "_") if not isinstance(value, dict | list) else ""
        for word, rest in self.words.items():
            if said in (word.lower(), rest.lower()):
                return word
        faults.add(place, f"{_told(value)}: one of {', '.join(self.words)}.")
        return value

    def sent(self, value: Json) -> Json:
        return self.words[value]

    def shown(self, value: Json) -> Json:
        for word, rest in self.words.items():
            if str(value).lower() == rest.lower():
                return word
        return value

    def schema(self) -> dict[str, Json]:
        return {"enum": list(self.words)}


class Span(Type):
    """A duration: a number of `unit` seconds in YAML, ISO 8601 in REST."""

    def __init__(self, unit: float, least: float = 0, most: float | None = None) -> None:
        self.unit = unit
        self.least = least
        self.most = most

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        number = Whole().read(value, place, faults)
        if isinstance(number, int):
            if number < self.least:
                faults.add(place, f"{number} is too short: {self.least:g} at least.")
            if self.most is not None and number > self.most:
                faults.add(place, f"{number} is too long: {self.most:g} at most.")
        return number

    def sent(self, value: Json) -> Json:
        return iso_duration(value * self.unit)

    def shown(self, value: Json) -> Json:
        seconds = seconds_of(value)
        return value if seconds is None else round(seconds / self.unit)

    def schema(self) -> dict[str, Json]:
        said: dict[str, Json] = {"type": "integer", "minimum": self.least}
        if self.most is not None:
            said["maximum"] = self.most
        return said


class MapOf(Type):
    """Names of the user's, each with a value of one type."""

    def __init__(self, of: Type) -> None:
        self.of = of

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if value is None:
            return {}
        if not isinstance(value, dict):
            faults.add(place, f"names with values belong here, not {_told(value)}.")
            return value
        return {name: self.of.read(each, (*place, name), faults) for name, each in value.items()}

    def sent(self, value: Json) -> Json:
        return {name: self.of.sent(each) for name, each in value.items()}

    def shown(self, value: Json) -> Json:
        return {name: self.of.shown(each) for name, each in (value or {}).items()}

    def schema(self) -> dict[str, Json]:
        return {"type": "object", "additionalProperties": self.of.schema()}


class ListOf(Type):
    """Values of one type."""

    def __init__(self, of: Type) -> None:
        self.of = of

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if not isinstance(value, list):
            faults.add(place, f"a list belongs here, not {_told(value)}.")
            return value
        return [self.of.read(each, (*place, number), faults) for number, each in enumerate(value)]

    def sent(self, value: Json) -> Json:
        return [self.of.sent(each) for each in value]

    def shown(self, value: Json) -> Json:
        return [self.of.shown(each) for each in value]

    def schema(self) -> dict[str, Json]:
        return {"type": "array", "items": self.of.schema()}


class Anything(Type):
    """Whatever is written, as it is."""

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        return value

    def schema(self) -> dict[str, Json]:
        return {}


class Field(NamedTuple):
    """A field of a record. `rest` is where REST has it, as a dotted path below the record's; empty
    for one that is not sent as it is. `ignored`: it may stand in YAML, since `show` writes it."""

    name: str
    type: Type
    rest: str = ""
    required: bool = False
    default: Json = None
    ignored: bool = False
    doc: str = ""


class Record(Type):
    """Fields with names of ours. Unknown ones are faults."""

    def __init__(self, fields: tuple[Field, ...], doc: str = "") -> None:
        self.fields = fields
        self.doc = doc
        self.named = {each.name: each for each in fields}

    def read(self, value: Json, place: Place, faults: Faults) -> Json:
        if not isinstance(value, dict):
            faults.add(place, f"fields with values belong here, not {_told(value)}.")
            return value
        kept: dict[str, Json] = {}
        for name, each in value.items():
            known = self.named.get(name)
            if known is None:
                if name != "$schema":
                    faults.unknown(place, name, self.named)
            elif not known.ignored and each is not None:
                kept[name] = known.type.read(each, (*place, name), faults)
        for known in self.fields:
            if known.name not in kept:
                if known.required:
                    faults.add(place, f"{known.name} is missing: {known.doc or 'it is required'}.")
                elif known.default is not None:
                    kept[known.name] = known.default
        return kept

    def sent(self, value: Json) -> Json:
        body: dict[str, Json] = {}
        for known in self.fields:
            if known.rest and value.get(known.name) is not None:
                put(body, known.rest, known.type.sent(value[known.name]))
        return body

    def shown(self, value: Json) -> Json:
        said: dict[str, Json] = {}
        for known in self.fields:
            found = get(value, known.rest) if known.rest else None
            if found is not None:
                said[known.name] = known.type.shown(found)
        return said

    def schema(self) -> dict[str, Json]:
        return {
            "type": "object",
            "properties": {
                "$schema": {"type": "string"},
                **{
                    known.name: {
                        **known.type.schema(),
                        **({"description": known.doc} if known.doc else {}),
                        **({"default": known.default} if known.default is not None else {}),
                    }
                    for known in self.fields
                },
            },
            "required": [known.name for known in self.fields if known.required],
            "additionalProperties": False,
        }


def put(body: dict[str, Json], dotted: str, value: Json) -> None:
    """Put a value at a dotted path, making the objects on the way."""
    *way, last = dotted.split(".")
    for part in way:
        body = body.setdefault(part, {})
    body[last] = value


def get(body: Json, dotted: str) -> Json:
    """The value at a dotted path, or None."""
    for part in dotted.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(part)
    return body


def _kind(value: Json) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "fields"
        case list():
            return "a list"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case _:
            return type(value).__name__


def _told(value: Json) -> str:
    return repr(value) if isinstance(value, str | int | float) else _kind(value)
