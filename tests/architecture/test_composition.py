"""What works together is put together once, in infra/composition, and says all that it needs."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.architecture import house

CODE = ("domain", "handlers", "infra", "function_app.py")


class Parameters(NamedTuple):
    names: list[str]
    defaults: set[str]


def modules() -> Mapping[str, ast.Module]:
    return house.modules(*CODE)


def classes() -> set[str]:
    return {
        found.name
        for tree in modules().values()
        for found in ast.walk(tree)
        if isinstance(found, ast.ClassDef)
    }


def constructors() -> Iterator[tuple[str, str, ast.FunctionDef]]:
    """Module, class and `__init__` of each class that has one."""
    for module, tree in modules().items():
        for found in ast.walk(tree):
            if isinstance(found, ast.ClassDef):
                for each in found.body:
                    if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                        yield module, found.name, each


def parameters(init: ast.FunctionDef) -> Parameters:
    given = init.args
    names = [each.arg for each in [*given.posonlyargs, *given.args]][1:]
    with_default = names[len(names) - len(given.defaults) :] if given.defaults else []
    keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    defaults = {*with_default, *(each.arg for each, value in keywords if value is not None)}
    return Parameters(names, defaults)


def calls() -> Iterator[tuple[str, ast.Call]]:
    for tree in modules().values():
        for found in ast.walk(tree):
            if isinstance(found, ast.Call) and isinstance(found.func, ast.Name):
                yield found.func.id, found


def test_no_parameter_has_a_default_that_only_tests_use() -> None:
    known = {name: parameters(init) for _, name, init in constructors()}
    made: Counter[str] = Counter()
    passed: Counter[tuple[str, str]] = Counter()
    for name, call in calls():
        if name not in known:
            continue
        made[name] += 1
        positional = known[name].names[: len(call.args)]
        passed.update((name, each) for each in positional)
        passed.update((name, each.arg) for each in call.keywords if each.arg)
    always = [
        f"{name}.{each}"
        for name, found in known.items()
        for each in sorted(found.defaults)
        if made[name] and passed[name, each] == made[name]
    ]
    assert not always, "production always passes these: let them have no default"


def test_no_constructor_makes_up_what_it_was_not_given() -> None:
    known = classes()
    made_up = [
        f"{module}:{found.lineno}: {ast.unparse(found)}"
        for module, _, init in constructors()
        for found in ast.walk(init)
        if isinstance(found, ast.BoolOp) and isinstance(found.op, ast.Or)
        if isinstance(found.values[-1], ast.Call)
        and isinstance(found.values[-1].func, ast.Name)
        and found.values[-1].func.id in known
    ]
    assert not made_up


def test_each_store_is_made_in_the_composition_alone() -> None:
    """Adapters are made where they are chosen, by the families of adapters themselves."""
    domains = {name for module, name, _ in constructors() if module.startswith("domain/")}
    stores = {name for name in domains if name.endswith("Store")}
    assert {"JobStore", "DropStore"} <= stores
    for module, tree in modules().items():
        if module.startswith("infra/composition/"):
            continue
        for found in ast.walk(tree):
            if isinstance(found, ast.Call) and isinstance(found.func, ast.Name):
                assert found.func.id not in stores, f"{module}:{found.lineno}"
