"""Which files, sockets and processes this process may reach, itself and all that it starts.

What is not allowed is refused by the kernel, whoever's user it is: it takes no rights to say so,
and nothing takes it back. Kernels know more of it with every version of its interface.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from . import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_BENEATH = 1

_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHARACTER_DEVICE, _MAKE_BLOCK_DEVICE = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_SINCE = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE), (5, _DEVICE_CONTROL))
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE_CONTROL
_TO_READ = _EXECUTE | _READ | _LIST
_TO_USE = _READ | _WRITE | _LIST | _DEVICE_CONTROL
_TO_WRITE = ((1 << 15) - 1) & ~(_MAKE_CHARACTER_DEVICE | _MAKE_BLOCK_DEVICE)

SCOPES_SINCE = 6
"""The version that keeps signals and abstract sockets within."""
PORTS_SINCE = 4
"""The version that knows of TCP."""
_CONNECT_TCP = 1 << 1
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = [
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _Path(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Of the interface that this kernel has; 0 for none."""
    try:
        return kernel.call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def restrict(
    known: int,
    *,
    readable: Iterable[str],
    usable: Iterable[str],
    writable: Iterable[str],
    network: bool,
) -> None:
    """`known` is the version to speak. Devices are `usable`; what is not there, is not allowed.
    Without `network` no TCP connection is made. For a process of one thread that can gain no
    rights any more."""
    handled = 0
    for since, rights in _SINCE:
        handled |= rights if known >= since else 0
    rules = _Ruleset(
        handled,
        _CONNECT_TCP if not network and known >= PORTS_SINCE else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if known >= SCOPES_SINCE else 0,
    )
    size = 8 * (1 if known < PORTS_SINCE else 2 if known < SCOPES_SINCE else 3)
    none = ctypes.c_uint32(0)
    ruleset = kernel.call(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), none)
    for paths, rights in ((readable, _TO_READ), (usable, _TO_USE), (writable, _TO_WRITE)):
        for path in paths:
            _allow(ruleset, path, rights & handled)
    kernel.call(_RESTRICT, ctypes.c_int(ruleset), none)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = _Path(rights, place)
        kernel.call(
            _ADD,
            ctypes.c_int(ruleset),
            ctypes.c_int(_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(place)
