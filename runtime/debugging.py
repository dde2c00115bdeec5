"""A debugger in the process of a scoring script, where whoever runs that asks for one."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import threading
import time
from typing import Any

from .script import INIT_FAILED, ScriptFailed

PORT = "ML_ENDPOINTS_DEBUGGER"
"""Where it listens, on this machine alone."""
CODE = "ML_ENDPOINTS_DEBUGGER_CODE"
"""The folder that the code is edited in: breakpoints are set in files of that."""
_HOST = "127.0.0.1"
_AGAIN = 0.2


def code_folder(fetched: str) -> str:
    """Where the script is to be loaded from, when `fetched` is the copy that the host has of it."""
    return os.environ.get(CODE, fetched) if PORT in os.environ else fetched


def offer() -> None:
    """In the main thread, before the script is loaded: have debuggers attach from here on, or once
    the process whose place this one takes has left the port. Raises ScriptFailed."""
    if PORT not in os.environ:
        return
    port = _port(os.environ[PORT])
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # It is about files not ours.
    try:
        debugpy: Any = importlib.import_module("debugpy")
    except ImportError as error:
        raise ScriptFailed(
            INIT_FAILED,
            "A debugger is asked for, and debugpy is not among the environment's packages: add it "
            f"to the pip packages of its conda file ({error})",
        ) from None
    main = threading.current_thread()
    for thread in threading.enumerate():
        if thread is not main:  # At a breakpoint all stop, but for what answers the probes.
            thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
    if _is_free(port):
        _listen(debugpy, port)
        return
    waiting = threading.Thread(target=_listen_later, args=(debugpy, port), daemon=True)
    waiting.pydev_do_not_trace = True  # type: ignore[attr-defined]
    waiting.start()


def _port(text: str) -> int:
    """Raises ScriptFailed."""
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise ScriptFailed(INIT_FAILED, f"{PORT} is {text!r}; it must be a port's number")
    return int(text)


def _listen_later(debugpy: Any, port: int) -> None:
    while not _is_free(port):
        time.sleep(_AGAIN)
    _listen(debugpy, port)


def _listen(debugpy: Any, port: int) -> None:
    try:
        debugpy.listen((_HOST, port))
    except RuntimeError as error:
        sys.stderr.write(f"No debugger may attach at {_HOST}:{port}: {error}\n")
    else:
        sys.stderr.write(f"A debugger may attach at {_HOST}:{port}.\n")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, port))
        except OSError:
            return False
    return True
