"""Modules that scripts for Azure ML import though nobody installed them.

A finder behind all others gives them, so that whatever is installed under these names is taken.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType


class _Offered(MetaPathFinder):
    def __init__(self) -> None:
        self.packages: set[str] = set()
        self.files: dict[str, str] = {}
        self.lent: dict[str, ModuleType] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self.files:
            return importlib.util.spec_from_file_location(fullname, self.files[fullname])
        lent = self.lent.get(fullname)
        if lent is None and fullname not in self.packages:
            return None
        loader = None if lent is None else _Lender(lent)
        is_package = fullname in self.packages
        return importlib.machinery.ModuleSpec(fullname, loader, is_package=is_package)


class _Lender(Loader):
    """The module has what another has in its `__all__`."""

    def __init__(self, source: ModuleType) -> None:
        self._source = source

    def exec_module(self, module: ModuleType) -> None:
        for name in self._source.__all__:
            setattr(module, name, getattr(self._source, name))


_offered = _Offered()


def offer(
    packages: Sequence[str],
    *,
    files: Mapping[str, str] = {},
    lent: Mapping[str, ModuleType] = {},
) -> None:
    """From now on, in this process: `packages`, which have nothing in them where they are not
    among `lent`, modules that are `files`, and modules that have what ours have."""
    _offered.packages.update(packages)
    _offered.files.update(files)
    _offered.lent.update(lent)
    if _offered not in sys.meta_path:
        sys.meta_path.append(_offered)
