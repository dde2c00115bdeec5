"""Calls of Linux for which the standard library has no function. Each raises OSError."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from typing import Any

NEW_CGROUPS = 0x02000000
NEW_IPC = 0x08000000
NEW_MOUNTS = 0x00020000
NEW_NETWORK = 0x40000000
NEW_PROCESSES = 0x20000000
NEW_USER = 0x10000000

READ_ONLY = 0x1
NO_SUID = 0x2
NO_DEVICES = 0x4
NO_EXEC = 0x8
REMOUNT = 0x20
BIND = 0x1000
RECURSIVE = 0x4000
PRIVATE = 0x40000

_DETACH = 2
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100
_MOUNT_SETATTR = 442

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_CLEAR_ALL = 4
_CAPABILITIES_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user", ctypes.c_uint64),
    ]


def call(number: int, *arguments: Any) -> int:
    """A system call by its number. Raises OSError."""
    return _checked(f"system call {number}", _libc.syscall(ctypes.c_long(number), *arguments))


def unshare(kinds: int) -> None:
    _checked("unshare", _libc.unshare(kinds))


def mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    texts = [None if each is None else os.fsencode(each) for each in (source, target, kind)]
    data = None if options is None else options.encode()
    result = _libc.mount(*texts, ctypes.c_ulong(flags), data)
    _checked(f"mount {source} at {target}", result)


def restrict_mounts(target: str, attributes: int) -> None:
    """Of the mount there and of all below it."""
    wanted = _Attributes(set=attributes)
    call(
        _MOUNT_SETATTR,
        _AT_FDCWD,
        os.fsencode(target),
        _AT_RECURSIVE,
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
    )


def make_root(folder: str) -> None:
    """The mount at `folder` is all there is."""
    os.chdir(folder)
    _checked("pivot_root", _libc.pivot_root(b".", b"."))
    _checked("umount2", _libc.umount2(b".", _DETACH))
    os.chdir("/")


def die_with_parent(signal: int) -> None:
    """To be said again after a change of user, which undoes it."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def gain_nothing() -> None:
    """No program that this process starts has rights which it has not."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def bound_capabilities() -> None:
    """No program that is started from here on has any. Before the last is given up, for it takes
    one."""
    for capability in range(64):
        try:
            _prctl(_PR_CAPBSET_DROP, capability)
        except PermissionError:
            break  # this process has none to drop
        except OSError as error:
            if error.errno == errno.EINVAL:
                break  # the kernel knows no more
            raise
    with contextlib.suppress(OSError):  # an older kernel has no such thing
        _prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)


def drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    _checked("capset", _libc.capset(header, (ctypes.c_uint32 * 6)()))


def _prctl(option: int, value: int) -> None:
    rest = (ctypes.c_ulong(0),) * 3
    _checked(f"prctl {option}", _libc.prctl(option, ctypes.c_ulong(value), *rest))


def _checked(what: str, result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
