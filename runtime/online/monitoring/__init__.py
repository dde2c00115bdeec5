"""`azureml.ai.monitoring`, by which scripts for Azure ML collect data: ours is there where nobody
installed it. One that is installed sends what it collects over HTTP, to `collecting_door`."""

from __future__ import annotations

import os
import sys

from .. import offered
from . import collected, collector, context

_NAME = "azureml.ai.monitoring"
_INSTALLED = os.path.join(*_NAME.split("."))


def offer() -> None:
    """From now on, in this process."""
    lent = {_NAME: collector, f"{_NAME}.collector": collector, f"{_NAME}.context": context}
    offered.offer(("azureml", "azureml.ai", _NAME), lent=lent)
    given = collected.current()
    if given.is_enabled and any(os.path.isdir(os.path.join(p, _INSTALLED)) for p in sys.path):
        from .collecting_door import CollectingDoor

        CollectingDoor(given).open()
