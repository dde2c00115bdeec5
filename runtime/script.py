"""The entry script: import it, call its `init`, and say exactly what is wrong when it fails."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .coroutines import finish
from .server import printing

_MODULE = "entry_module"
_HERE = os.path.dirname(os.path.abspath(__file__))
_FUTURES = os.path.dirname(os.path.abspath(concurrent.futures.__file__))

IMPORT_ERROR = "UserScriptImportError"
FUNCTION_NOT_FOUND = "UserScriptFunctionNotFound"
INIT_FAILED = "UserScriptInitFailed"

EXIT_CODE = 3


class ScriptFailed(Exception):
    """The script cannot serve. `trace` is the user's part of the traceback, if any."""

    def __init__(self, code: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trace = trace

    def report(self) -> None:
        """The traceback, then one JSON line that ends standard error; `trace` in it is how many
        bytes the traceback has."""
        printing.write_out()
        trace = printing.write_stamped(self.trace)
        line = json.dumps({"code": self.code, "message": self.message, "trace": trace})
        printing.write_plain(f"{line}\n")


class Script:
    """An imported entry script whose functions exist."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.run: Callable[..., Any] = _function(module, "run")
        batched = getattr(module, "run_batch", None)
        self.batches = callable(batched)
        self.run_batch: Callable[[list[Any]], Any] = batched or _run_none
        self._init: Callable[[], Any] = _function(module, "init")
        self._shutdown = getattr(module, "shutdown", None)

    def init(self) -> None:
        """Raises ScriptFailed whatever `init()` raised, `sys.exit()` included."""
        try:
            finish(self._init())
        except ScriptFailed:
            raise
        except BaseException as error:  # a script may raise anything; all of it means: not ready
            message = f"init() raised {describe(error)}"
            raise ScriptFailed(INIT_FAILED, message, user_traceback(error)) from None

    def shutdown(self) -> None:
        """Call the script's `shutdown()` if it has one; a failure there is only printed."""
        if not callable(self._shutdown):
            return
        try:
            finish(self._shutdown())
        except BaseException as error:  # too late for it to matter to anybody but the log
            sys.stderr.write(f"{user_traceback(error)}shutdown() raised {describe(error)}\n")


def _run_none(requests: list[Any]) -> Any:
    raise NotImplementedError("the script does not define run_batch()")


def load(app_root: str, script: str) -> Script:
    """Import `script` (a path relative to `app_root`). Raises ScriptFailed."""
    root = os.path.abspath(app_root)
    path = os.path.normpath(os.path.join(root, script))
    if not os.path.isfile(path):
        raise ScriptFailed(
            IMPORT_ERROR, f"There is no scoring script {script!r} in the code folder"
        )
    # -I ignores PYTHONPATH, but the user may have set it among the environment variables.
    extra = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    for entry in [*extra, root, os.path.dirname(path)]:
        if entry not in sys.path:
            sys.path.append(entry)
    os.chdir(root)
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ScriptFailed(IMPORT_ERROR, f"The scoring script {script!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles of the script's own classes look their module up by name.
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # a script may raise anything, `sys.exit()` included
        message = f"Importing {script} raised {describe(error)}"
        raise ScriptFailed(IMPORT_ERROR, message, user_traceback(error)) from None
    return Script(module)


def _function(module: Any, name: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        where = os.path.basename(getattr(module, "__file__", None) or _MODULE)
        raise ScriptFailed(FUNCTION_NOT_FOUND, f"{where} does not define {name}()")
    return function  # type: ignore[no-any-return]


def data_parameters(run: Callable[..., Any]) -> tuple[list[inspect.Parameter], bool]:
    """The parameters `run` takes its data in, and whether it also takes `request_headers`."""
    parameters = list(inspect.signature(run).parameters.values())
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(parameter.kind not in named for parameter in parameters):
        raise ScriptFailed(
            FUNCTION_NOT_FOUND,
            "run() must not have positional-only parameters, *args or **kwargs",
        )
    data = [parameter for parameter in parameters if parameter.name != "request_headers"]
    if not data:
        raise ScriptFailed(FUNCTION_NOT_FOUND, "run() must have a parameter for the input data")
    return data, len(data) != len(parameters)


def describe(error: BaseException) -> str:
    """Its type and message on one line, cut at a sane length."""
    name = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception whose own __str__ raises
        return name
    return f"{name}: {text}"[:2000] if text else name


def user_traceback(error: BaseException) -> str:
    """The traceback without the frames of this runtime, nor of what it calls the script by."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    try:
        lines = traceback.format_exception(type(error), error, frames)
    except Exception as broken:  # an exception whose own __str__ raises
        lines = [f"{type(error).__name__} (its message cannot be shown: {type(broken).__name__})\n"]
    return "".join(lines)


def _is_ours(filename: str) -> bool:
    return filename.startswith((_HERE + os.sep, "<frozen importlib", _FUTURES))
