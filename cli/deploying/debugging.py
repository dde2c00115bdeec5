"""A deployment under a debugger: what differs from how it is deployed otherwise."""

import dataclasses
from typing import Any

from cli.deploying.sources import Source
from cli.failures import UsageFailed

_PACKAGE = "debugpy"
_LONGEST_MS = 300_000
"""For which a request may be at a breakpoint: the longest that any may take."""
_FAILURES = 1000


def under_debugger(deployment: Source, port: int) -> Source:
    """The deployment with a debugger that listens at `port`, in one process, whose requests may
    stop for minutes. Its script is loaded from the folder that it is edited in. Raises UsageFailed
    where it has none."""
    fields = deployment.fields
    code = (fields.get("code_configuration") or {}).get("code")
    folder = code.get("path") if isinstance(code, dict) else None
    if folder is None:
        raise UsageFailed(
            "--debugger: the deployment has no scoring script in a folder of this machine.",
            hint="code_configuration.code names the folder.",
        )
    variables = {
        **(fields.get("environment_variables") or {}),
        "ML_ENDPOINTS_DEBUGGER": str(port),
        "ML_ENDPOINTS_DEBUGGER_CODE": folder,
        "WORKER_COUNT": "1",
    }
    settings = {**(fields.get("request_settings") or {}), "request_timeout_ms": _LONGEST_MS}
    probe = {**(fields.get("liveness_probe") or {}), "failure_threshold": _FAILURES}
    changed = {
        **fields,
        "environment": _with_debugger(fields.get("environment")),
        "environment_variables": variables,
        "request_settings": settings,
        "liveness_probe": probe,
    }
    return dataclasses.replace(deployment, fields=changed)


def _with_debugger(environment: Any) -> Any:
    """The environment with debugpy among its packages, where a conda file here says them; what is
    registered has it, or the deployment says that it has not."""
    text = environment.get("conda_file") if isinstance(environment, dict) else None
    if not isinstance(text, str):
        return environment
    import yaml  # Slow to import.

    conda = yaml.safe_load(text)
    listed = conda.get("dependencies") if isinstance(conda, dict) else None
    if not isinstance(listed, list) or _PACKAGE in text:
        return environment
    pip = [name for each in listed if isinstance(each, dict) for name in each.get("pip") or ()]
    others = [each for each in listed if not isinstance(each, dict)]
    packages = {**conda, "dependencies": [*others, {"pip": [*pip, _PACKAGE]}]}
    return {**environment, "conda_file": yaml.safe_dump(packages, sort_keys=False)}
