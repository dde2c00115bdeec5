"""Types say what is there: nothing is asserted about it where it is used."""

import ast

from tests.kit.real_app import ROOT

CODE = ("domain", "handlers", "infra", "runtime")
STAYING = {
    "runtime/environment.py": "the type of Popen cannot say that with PIPE there is a pipe",
}


def asserts(source: str) -> list[int]:
    """The lines of `assert`, and of what raises AssertionError itself."""
    return [
        found.lineno
        for found in ast.walk(ast.parse(source))
        if isinstance(found, ast.Assert)
        or (isinstance(found, ast.Raise) and found.exc and "AssertionError" in ast.dump(found.exc))
    ]


def test_nothing_is_asserted_that_a_type_can_carry() -> None:
    paths = [path for part in CODE for path in sorted((ROOT / part).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): asserts(path.read_text()) for path in paths}
    asserting = {path: lines for path, lines in found.items() if lines}
    assert set(asserting) == set(STAYING), asserting
