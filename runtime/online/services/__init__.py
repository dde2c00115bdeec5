"""`azureml.contrib.services`, which scripts for Azure ML import: under Microsoft's server it is
there though nobody installed it."""

from __future__ import annotations

import os

from .. import offered

_HERE = os.path.dirname(os.path.abspath(__file__))
_SERVICES = "azureml.contrib.services"
_PACKAGES = ("azureml", "azureml.contrib", _SERVICES)


def offer() -> None:
    """From now on, in this process."""
    names = ("aml_request", "aml_response")
    files = {f"{_SERVICES}.{name}": os.path.join(_HERE, f"{name}.py") for name in names}
    offered.offer(_PACKAGES, files=files)
