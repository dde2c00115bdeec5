"""What a process of a later version writes and sends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from domain.ground import schema


@contextmanager
def newer_process(
    *, documents: Mapping[str, str] | None = None, messages: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Within it, whoever writes documents of these kinds, or sends to these queues, is one whose
    newest schemas these are."""
    kinds, queues = dict(schema.DOCUMENTS), dict(schema.MESSAGES)
    schema.DOCUMENTS.update(documents or {})
    schema.MESSAGES.update(messages or {})
    try:
        yield
    finally:
        for known, before in ((schema.DOCUMENTS, kinds), (schema.MESSAGES, queues)):
            known.clear()
            known.update(before)
