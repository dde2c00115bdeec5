"""Which form documents and messages have: a number of two parts with each of them.

The second part rises with what older processes may read over, the first with what they would
misunderstand (docs/adr/0019). Stores and queues write the number, beside what the body says, and
refuse a first part above the one here.
"""

from domain.errors import NewerSchema
from domain.ground.messages import SCALING_LOOKS_QUEUE

FIRST = "1.0"
"""Also of what carries none."""

DOCUMENTS: dict[str, str] = {
    "assetRelease": "2.0",
    "batchDeployment": "1.1",
    "batchEndpoint": "1.2",
    "batchJob": "1.1",
    "batchProgress": "1.1",
    "batchUnit": "1.1",
    "codeVersion": "1.1",
    "modelVersion": "1.1",
    "connection": "2.1",
    "directoryClient": "2.0",
    "directoryClientChanges": "2.0",
    "eventMapping": "1.1",
    "eventSubscription": "1.1",
    "onlineEndpoint": "1.2",
    "scaleWatch": "2.0",
    "secretRenewing": "2.0",
}
"""By kind, where it is not the first any more."""

MESSAGES: dict[str, str] = {SCALING_LOOKS_QUEUE: "2.0"}
"""By queue, where it is not the first any more."""


def of_documents(kind: str) -> str:
    """The form in which this process writes documents of `kind`, the newest that it knows."""
    return DOCUMENTS.get(kind, FIRST)


def of_messages(queue: str) -> str:
    """The form in which this process sends messages to `queue`, the newest that it knows."""
    return MESSAGES.get(queue, FIRST)


def check(found: object, known: str, what: str) -> None:
    """Raises NewerSchema where who knows `known` does not understand `what`, which says that it
    has the form `found`."""
    if found == known or _major(found) <= _major(known):
        return
    raise NewerSchema(
        f"{what} was written by a newer version of this software: it has schema {found}, and"
        f" {known} is known here. It is left as it is."
    )


def _major(schema: object) -> float:
    """Of what is no such number, newer than all: nobody here has written it."""
    major, _, _ = str(schema).partition(".")
    return int(major) if major.isascii() and major.isdecimal() else float("inf")
