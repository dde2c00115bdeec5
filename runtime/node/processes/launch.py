"""How a model's process is started: command, variables, folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from ..faults import BAD_ARGUMENT, NodeFailed
from ..files.artifacts import Fetched
from ..settings import PREFIX
from ..spec import Spec

_RUNTIME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Launch(NamedTuple):
    """`command` lacks only its socket."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str


def launches(
    spec: Spec, fetched: Fetched, environment: Mapping[str, str], output: str
) -> list[Launch]:
    """One for each process of the node; `output` is the folder for its scripts' own files, '' for
    none. Raises NodeFailed if the script is not among the code,
    or is outside of it."""
    root = os.path.realpath(fetched.code)
    script = _script(spec.script, root)
    count = spec.serve.workers if spec.mode == "serve" else spec.work.processes
    python = spec.python or sys.executable
    variables = _variables(spec, count, python, environment)
    variables["AML_APP_ROOT"] = root
    if script:
        variables["AZUREML_ENTRY_SCRIPT"] = script
    if output:
        variables["AZUREML_BI_OUTPUT_PATH"] = output
    if fetched.model:
        variables["AZUREML_MODEL_DIR"] = fetched.model
    usual = (python, "-I", _RUNTIME, spec.mode, "--app-root", root)
    named = ("--script", script) if script else ("--mlflow",)
    return [
        Launch((*usual, *named, *_options(spec, worker)), variables, root)
        for worker in range(count)
    ]


def _options(spec: Spec, worker: int) -> tuple[str, ...]:
    if spec.mode == "work":
        return ()
    serve = spec.serve
    return (
        *("--deployment", serve.deployment),
        *("--queue-wait-ms", str(serve.queue_wait_ms)),
        *("--timeout-ms", str(serve.timeout_ms)),
        *("--max-body", str(serve.max_body)),
        *("--max-concurrent", str(share(serve.max_concurrent, serve.workers, worker))),
        *("--max-queue", str(share(serve.max_queue, serve.workers, worker))),
    )


def share(all_together: int, workers: int, worker: int) -> int:
    """What one of the workers has of it: their shares add up to it."""
    each, over = divmod(all_together, workers)
    return each + (worker < over)


def _script(script: str, root: str) -> str:
    if not script:
        return ""
    path = os.path.realpath(os.path.join(root, script))
    if not path.startswith(root + os.sep):
        raise NodeFailed(BAD_ARGUMENT, f"The script {script!r} leaves the code's folder.")
    if not os.path.isfile(path):
        raise NodeFailed(BAD_ARGUMENT, f"The script {script!r} is not among the code.")
    return os.path.relpath(path, root)


def _variables(
    spec: Spec, count: int, python: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """The container's own, without the agent's; over them what is usual, and what the spec says
    over everything."""
    variables = {name: each for name, each in environment.items() if not name.startswith(PREFIX)}
    binaries = os.path.dirname(os.path.abspath(python))
    path = variables.get("PATH", os.defpath)
    if binaries not in path.split(os.pathsep):
        variables["PATH"] = f"{binaries}{os.pathsep}{path}"
    if os.path.isfile(os.path.join(os.path.dirname(binaries), "pyvenv.cfg")):
        variables["VIRTUAL_ENV"] = os.path.dirname(binaries)
    variables.setdefault("LANG", "C.UTF-8")
    variables["PYTHONUNBUFFERED"] = "1"
    variables["WORKER_COUNT"] = "1"
    if spec.cpu:
        threads = str(max(1, round(spec.cpu / count)))
        for name in _THREADS:
            variables.setdefault(name, threads)
    return {**variables, **spec.environment_variables}
