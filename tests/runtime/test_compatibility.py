"""What runs in a user's environment: on any Python from 3.9, with nothing installed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

RUNTIME = Path(__file__).parents[2] / "runtime"
# `environment` runs under the application's own Python.
MODULES = sorted(
    path.relative_to(RUNTIME).as_posix()
    for path in RUNTIME.rglob("*.py")
    if path.stem != "environment"
)


def test_there_are_modules() -> None:
    assert {"serve.py", "work.py", "node/agent.py"} <= set(MODULES)


def test_every_module_is_python_3_9() -> None:
    later = []
    for module in MODULES:
        source = (RUNTIME / module).read_text()
        ast.parse(source, module, feature_version=(3, 9))
        if "from __future__ import annotations" not in source:
            later.append(module)
    assert [module for module in later if not module.endswith("__init__.py")] == []


def test_a_time_limit_of_asyncio_s_is_caught_by_its_own_name() -> None:
    """Before Python 3.11 it is another exception than the builtin TimeoutError."""
    assert [module for module in MODULES if "TimeoutError" in caught_in(module)] == []


def caught_in(module: str) -> set[str]:
    """The plain names of exceptions that it catches."""
    tree = ast.parse((RUNTIME / module).read_text())
    caught = [each.type for each in ast.walk(tree) if isinstance(each, ast.ExceptHandler)]
    names = [name for each in caught if each is not None for name in ast.walk(each)]
    return {name.id for name in names if isinstance(name, ast.Name)}


@pytest.mark.parametrize("command", ["serve", "work", "node.agent"])
def test_a_server_imports_the_standard_library_alone(command: str) -> None:
    code = (
        "import runpy, sys\n"
        f"main = runpy.run_path({str(RUNTIME / '__main__.py')!r})\n"
        "main['_adopt']()\n"
        "import importlib\n"
        f"importlib.import_module('ml_endpoints_runtime.{command}')\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    output = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    foreign = (
        set(output.split()) - set(sys.stdlib_module_names) - {"ml_endpoints_runtime", "__main__"}
    )
    assert not foreign


def test_an_unknown_command_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(RUNTIME), "dance"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage" in done.stderr
