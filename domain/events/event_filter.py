"""Which events are meant: by type and by subject, in Event Grid's words."""

from typing import Annotated

from pydantic import AfterValidator, Field

from domain.ground.facts import EventType
from domain.values import Value

_MOST_TYPES = 50


def _known(pattern: str) -> str:
    stem, star, rest = pattern.partition("*")
    if rest:
        raise ValueError("'*' stands at the end of a type alone")
    folded = stem.casefold()
    for type in EventType:
        name = type.value.casefold()
        if name.startswith(folded) if star else name == folded:
            return pattern
    raise ValueError("there is no such event type; docs/events.md lists them")


TypePattern = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_known)]
"""A type, or the beginning of types followed by `*`."""

SubjectPart = Annotated[str, Field(max_length=512)]


class SubjectFilter(Value):
    """Empty texts let every subject through."""

    subject_begins_with: SubjectPart = ""
    subject_ends_with: SubjectPart = ""
    is_subject_case_sensitive: bool = False

    def lets_subject(self, subject: str) -> bool:
        begins, ends = self.subject_begins_with, self.subject_ends_with
        if not self.is_subject_case_sensitive:
            subject, begins, ends = subject.casefold(), begins.casefold(), ends.casefold()
        return subject.startswith(begins) and subject.endswith(ends)


class EventFilter(SubjectFilter):
    """No types: all of them."""

    included_event_types: Annotated[list[TypePattern], Field(max_length=_MOST_TYPES)] | None = None

    def lets_through(self, type: str, subject: str) -> bool:
        return fits(self.included_event_types, type) and self.lets_subject(subject)


def fits(patterns: list[str] | None, type: str) -> bool:
    """Whether `type` is one of `patterns`, whatever its case; every type is, of none."""
    folded = type.casefold()
    return patterns is None or any(
        folded.startswith(p[:-1]) if p.endswith("*") else folded == p
        for p in map(str.casefold, patterns)
    )
