"""An MLflow model as its pyfunc flavor loads it, and what to do where it will not be loaded."""

from __future__ import annotations

from typing import Any

from .script import INIT_FAILED, ScriptFailed, describe, user_traceback

_LISTS = "the model's conda.yaml, python_env.yaml or requirements.txt"


def loaded(path: str) -> Any:
    """The model in the folder `path`. Raises ScriptFailed."""
    try:
        import mlflow.pyfunc  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        told = f"importing mlflow.pyfunc raised {describe(error)}"
        raise _failed(f"{told}. Add what it lacks to {_LISTS}", error) from None
    try:
        return mlflow.pyfunc.load_model(path)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        told = f"it needs the module {module!r}, which its environment lacks"
        raise _failed(f"{told}. Add the package that has it to {_LISTS}", error) from None
    except BaseException as error:  # a pickle may raise anything, `sys.exit()` included
        told = f"mlflow.pyfunc.load_model raised {describe(error)}"
        raise _failed(
            f"{told}. A model is loaded as it was saved by the versions of Python and packages "
            f"that saved it: compare those in {_LISTS}",
            error,
        ) from None


def _failed(why: str, error: BaseException) -> ScriptFailed:
    message = f"The MLflow model cannot be loaded: {why}, and register it again."
    return ScriptFailed(INIT_FAILED, message, user_traceback(error))
