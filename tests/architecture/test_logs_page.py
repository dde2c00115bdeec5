"""docs/logs.md has each action that the code logs, and no other."""

import ast
import re
from collections.abc import Iterator

from domain.ground.logs.story import SENTENCES
from tests.architecture.house import modules
from tests.kit.real_app import ROOT


def logged() -> set[str]:
    found = set(SENTENCES)
    for tree in modules("domain", "handlers", "infra").values():
        for node in ast.walk(tree):
            found.update(_actions(node))
    return found


def _actions(node: ast.AST) -> Iterator[str]:
    """Values given to the key `action`, in a display or one by one."""
    given: list[tuple[ast.expr | None, ast.expr]] = []
    if isinstance(node, ast.Dict):
        given = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        given = [(node.targets[0].slice, node.value)]
    for key, value in given:
        if isinstance(key, ast.Constant) and key.value == "action":
            assert isinstance(value, ast.Constant) or ast.unparse(value) == "action", (
                f"an action is a word of its own, not {ast.unparse(value)}"
            )
            if isinstance(value, ast.Constant):
                yield str(value.value)


def documented() -> set[str]:
    page = ROOT.joinpath("docs", "logs.md").read_text()
    _, _, tables = page.partition("### Endpoints and deployments")
    firsts = re.findall(r"^\| (`[^|]*`) \|", tables, re.MULTILINE)
    return {action for first in firsts for action in re.findall(r"`(\w+)`", first)}


def test_every_action_that_is_logged_stands_in_the_docs_and_every_other_is_logged() -> None:
    assert documented() == logged()
