"""The Triton server as PyPI's nvidia-pytriton brings it, with nothing of that package's own.

The wheel has the server, its backend for models in Python, and one stub of that for each version
of Python; where they look for each other is said here.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import tempfile

USAGE = 2
_PACKAGE = "pytriton"
_STUB = "triton_python_backend_stub"


def main(argv: list[str]) -> int:
    """Becomes the server, with the options that it is given."""
    home = _home()
    if home is None:
        print(
            "error: the environment has no nvidia-pytriton, which has the server", file=sys.stderr
        )
        return USAGE
    server = os.path.join(home, "bin", "tritonserver")
    backends = _backends(home)
    if not os.path.isfile(server) or backends is None:
        version = sysconfig.get_python_version()
        print(
            f"error: the nvidia-pytriton of this environment has no server for Python {version}",
            file=sys.stderr,
        )
        return USAGE
    command = [server, f"--backend-directory={backends}", *argv]
    os.execve(server, command, _variables(home))


def _home() -> str | None:
    found = importlib.util.find_spec(_PACKAGE)
    places = list(found.submodule_search_locations or ()) if found is not None else []
    return os.path.join(places[0], "tritonserver") if places else None


def _backends(home: str) -> str | None:
    """A folder with the Python backend and its stub side by side: the package's own may not be
    written to. None where there is no stub for this Python."""
    version = sysconfig.get_python_version()
    stub = os.path.join(home, "python_backend_stubs", version, _STUB)
    if not os.path.isfile(stub):
        return None
    given = os.path.join(home, "backends", "python")
    folder = tempfile.mkdtemp(prefix="triton-")
    place = os.path.join(folder, "python")
    os.mkdir(place)
    for name in os.listdir(given):
        os.symlink(os.path.join(given, name), os.path.join(place, name))
    if not os.path.lexists(os.path.join(place, _STUB)):
        os.symlink(stub, os.path.join(place, _STUB))
    return folder


def _variables(home: str) -> dict[str, str]:
    """Libraries that the wheel bundles, and Python's own, which the stub is linked to."""
    bundled = os.path.join(os.path.dirname(os.path.dirname(home)), "nvidia_pytriton.libs")
    library = str(sysconfig.get_config_var("LIBDIR") or "")
    binaries = os.path.dirname(sys.executable)
    variables = dict(os.environ)
    variables["LD_LIBRARY_PATH"] = _before(variables.get("LD_LIBRARY_PATH"), bundled, library)
    variables["PATH"] = _before(variables.get("PATH", os.defpath), binaries)
    return variables


def _before(path: str | None, *folders: str) -> str:
    return os.pathsep.join([*(each for each in folders if each), *([path] if path else [])])
