"""`<python> -I <repo>/runtime serve|work|build|layer|node|sandbox|triton ...`

Loads this package under the private name `ml_endpoints_runtime` and takes its folder off
`sys.path`, so that a user's script can import nothing of ours by accident.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

_NAME = "ml_endpoints_runtime"
_MODULES = {
    "serve": "serve",
    "work": "work",
    "build": "environment",
    "layer": "environment_layer",
    "node": "node.agent",
    "sandbox": "sandbox.command",
    "triton": "triton",
}


def _adopt() -> None:
    """Make this folder importable as `ml_endpoints_runtime`, and only so."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.util.spec_from_file_location(
        _NAME, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{here} cannot be loaded as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in _MODULES:
        print(
            "usage: runtime serve|work|build|layer|node|sandbox|triton [options]", file=sys.stderr
        )
        return 2
    _adopt()
    command = importlib.import_module(f"{_NAME}.{_MODULES[argv[0]]}")
    return int(command.main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
