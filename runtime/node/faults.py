"""Why a node cannot do what it is for."""

from __future__ import annotations

from collections.abc import Sequence

NOT_READY = "ResourceNotReady"
NOT_FOUND = "ResourceNotFound"
BAD_ARGUMENT = "BadArgument"


class BadSettings(Exception):
    """What the node was told makes no sense; `faults` are sentences."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = tuple(faults)


class NodeFailed(Exception):
    """Nothing that the agent could do would help. `code` is Azure ML's."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
