"""Taking out of what is collected what nobody is to read there."""

import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.online.monitoring.data_collector import Redaction, SensitiveKind

MARK: Final = "[redacted]"

_KINDS: Final = {
    # None has a repetition within a repetition: no text makes one slow.
    SensitiveKind.EMAIL: re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,190}"),
    SensitiveKind.CARD_NUMBER: re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"),
    SensitiveKind.IP_ADDRESS: re.compile(
        r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"
        r"|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}(?![\w:])"
        r"|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){0,6}:(?::?[0-9a-fA-F]{1,4}){1,6}(?![\w:])"
    ),
}


@dataclass(frozen=True)
class Redacted:
    """What is left of data, as JSON has it."""

    value: Any


class Redactor:
    """By a deployment's rules; without any, everything stays as it is."""

    def __init__(self, rules: Redaction | None) -> None:
        self._fields = _names(rules.fields if rules else ())
        self._kinds = [_KINDS[kind] for kind in (rules.kinds if rules else ())]

    @property
    def is_needed(self) -> bool:
        return self._fields is not None or bool(self._kinds)

    def redacted(self, data: bytes, content_type: str) -> bytes | Redacted:
        """What cannot be looked into is taken out whole."""
        if not self.is_needed:
            return data
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return Redacted(MARK)
        if "json" in content_type:
            try:
                return Redacted(self._value(parsed(text)))
            except (ValueError, RecursionError):
                return Redacted(MARK)
        return Redacted(MARK if self._fields is not None else self._text(text))

    def attributes(self, attributes: Mapping[str, str]) -> dict[str, object]:
        return {name: self._text(value) for name, value in attributes.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            fields = self._fields
            return {
                name: MARK if fields is not None and fields.fullmatch(name) else self._value(each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, str):
            return self._text(value)
        if self._kinds and isinstance(value, int) and not isinstance(value, bool):
            text = str(value)
            return MARK if self._text(text) != text else value
        return value

    def _text(self, text: str) -> str:
        for kind in self._kinds:
            text = kind.sub(MARK, text)
        return text


def parsed(text: str) -> Any:
    """Raises ValueError for what is no JSON, as NaN is none; RecursionError for what nests too
    deep."""
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _names(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    # Several stars in a row would make looking slow.
    plain = (re.sub(r"\*+", "*", each) for each in patterns)
    return re.compile("|".join(fnmatch.translate(each) for each in plain), re.IGNORECASE)
