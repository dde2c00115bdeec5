"""The environment variables of what the compute starts: clean, so that nothing of the host's
own (settings, keys, cloud credentials) reaches a user's code."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from infra.compute.ground.build_variables import handed_on

_PASSED: Final = frozenset(
    {
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    }
)
_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def base() -> dict[str, str]:
    """What any process needs to run, reach the network and speak the user's language."""
    variables = {name: value for name, value in os.environ.items() if name in _PASSED}
    variables["PATH"] = os.environ.get("PATH", os.defpath)
    if not variables.get("LANG"):
        variables["LANG"] = "C.UTF-8"
    return variables


def for_build(allowed: Collection[str]) -> dict[str, str]:
    """`base`, and what was set for uv, pip and compilers, as `build_variables` has it."""
    return {**handed_on(os.environ, allowed), **base()}


def for_instance(
    virtual_environment: Path, cpu: float, user: Mapping[str, str], ours: Mapping[str, str]
) -> dict[str, str]:
    """`user` over what is usual, and `ours` over everything. Numerical libraries get as many
    threads as the instance has cores unless the user says otherwise."""
    variables = base()
    variables["VIRTUAL_ENV"] = str(virtual_environment)
    variables["PATH"] = f"{virtual_environment / 'bin'}{os.pathsep}{variables['PATH']}"
    variables["PYTHONUNBUFFERED"] = "1"
    variables["WORKER_COUNT"] = "1"
    threads = str(max(1, round(cpu)))
    variables.update(dict.fromkeys(_THREADS, threads))
    return {**variables, **user, **ours}
