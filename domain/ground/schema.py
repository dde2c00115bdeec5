"""Which form documents and messages have: a number of two parts with each of them.

The second part rises with what older processes may read over, the first with what they would
misunderstand (docs/adr/0019). Stores and queues write the number, beside what the body says, and
refuse a first part above the one here.
"""

FIRST = "1.0"
"""Also of what carries none."""

DOCUMENTS: dict[str, str] = {}
"""By kind, where it is not the first any more."""

MESSAGES: dict[str, str] = {}
"""By queue, where it is not the first any more."""


def of_documents(kind: str) -> str:
    """The form in which this process writes documents of `kind`, the newest that it knows."""
    return DOCUMENTS.get(kind, FIRST)


def of_messages(queue: str) -> str:
    """The form in which this process sends messages to `queue`, the newest that it knows."""
    return MESSAGES.get(queue, FIRST)


def is_known(found: object, known: str) -> bool:
    """Whether who knows `known` understands what says that it has the form `found`."""
    return found == known or _major(found) <= _major(known)


def _major(schema: object) -> float:
    """Of what is no such number, newer than all: nobody here has written it."""
    major, _, _ = str(schema).partition(".")
    return int(major) if major.isascii() and major.isdecimal() else float("inf")
