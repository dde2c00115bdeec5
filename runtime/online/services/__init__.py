"""`azureml.contrib.services`, which scripts for Azure ML import: under Microsoft's server it is
there though nobody installed it.

A finder behind all others gives it, so that whatever is installed under these names is taken.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))
_SERVICES = "azureml.contrib.services"
_PACKAGES = ("azureml", "azureml.contrib", _SERVICES)
_MODULES = {f"{_SERVICES}.{name}": f"{name}.py" for name in ("aml_request", "aml_response")}


class _Services(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in _PACKAGES:
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        file = _MODULES.get(fullname)
        if file is None:
            return None
        return importlib.util.spec_from_file_location(fullname, os.path.join(_HERE, file))


def offer() -> None:
    """From now on, in this process."""
    if not any(isinstance(finder, _Services) for finder in sys.meta_path):
        sys.meta_path.append(_Services())
