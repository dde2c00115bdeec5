"""The rules of Microsoft's Functions worker, each checked on the real app."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.real_app import ROOT, indexed, run

TRIGGERS = {"httpTrigger", "serviceBusTrigger", "blobTrigger", "timerTrigger"}


@pytest.fixture(scope="module")
def functions() -> list[dict[str, Any]]:
    """All that the app has: each test tells every one that breaks its rule."""
    found: list[dict[str, Any]] = indexed()["functions"]
    assert len(found) > 200
    return found


@pytest.fixture(scope="module")
def http(functions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [function for function in functions if function["type"] == "httpTrigger"]


def test_there_is_one_function_app_under_one_name() -> None:
    assert indexed()["apps"] == ["app"]


def test_function_names_are_unique_whatever_their_case(functions: list[dict[str, Any]]) -> None:
    names = [function["name"].lower() for function in functions]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,127}", name) for name in names)


def test_every_kind_of_trigger_is_there_and_no_other(functions: list[dict[str, Any]]) -> None:
    assert {function["type"] for function in functions} == TRIGGERS


def test_parameters_are_the_binding_s_name_and_nothing_else(
    functions: list[dict[str, Any]],
) -> None:
    others = {}
    for function in functions:
        own = [name for name in function["bindings"] if name != "$return"]
        wanted = {function["trigger_binding"]: ["POSITIONAL_OR_KEYWORD", True]}
        if function["parameters"] != wanted or own != list(wanted):
            others[function["name"]] = (function["bindings"], function["parameters"])
    assert others == {}


def test_binding_names_are_letters_and_digits(functions: list[dict[str, Any]]) -> None:
    name = re.compile(r"[A-Za-z][A-Za-z0-9]*|\$return")
    bindings = {function["name"]: function["bindings"] for function in functions}
    assert {who: all_of for who, all_of in bindings.items() if not all_of} == {}
    assert {
        who: all_of for who, all_of in bindings.items() if not all(map(name.fullmatch, all_of))
    } == {}


def test_handlers_are_plain_async_functions_and_wrappers_look_alike(
    functions: list[dict[str, Any]],
) -> None:
    partial = [function["name"] for function in functions if not function["is_function"]]
    assert partial == [], "functools.partial is refused"
    assert [function["name"] for function in functions if not function["is_async"]] == []
    wrapped = [f["name"] for f in functions if f["own_parameters"] != list(f["parameters"])]
    assert wrapped == []


def test_annotations_resolve_at_run_time_to_the_trigger_s_type(
    functions: list[dict[str, Any]],
) -> None:
    expected = {
        "httpTrigger": ("starlette.requests", "Request", "starlette.responses.Response"),
        "serviceBusTrigger": ("azure.functions", "ServiceBusMessage", "builtins.NoneType"),
        "blobTrigger": ("azure.functions", "InputStream", "builtins.NoneType"),
        "timerTrigger": ("azure.functions", "TimerRequest", "builtins.NoneType"),
    }
    others = {}
    for function in functions:
        hints = dict(function["hints"])
        returned = hints.pop("return", None)
        package, _, kind = hints.pop(function["trigger_binding"], "").rpartition(".")
        found = (".".join(package.split(".")[:2]), kind, returned)
        if found != expected[function["type"]] or hints:
            others[function["name"]] = function["hints"]
    assert others == {}


def test_messages_come_one_by_one(functions: list[dict[str, Any]]) -> None:
    many = [f["name"] for f in functions if not f["cardinality"].lower().endswith("one")]
    assert many == []


def test_routes_keep_clear_of_the_host_s_own(http: list[dict[str, Any]]) -> None:
    routes = {function["name"]: function["route"] for function in http}
    own = ("admin", "runtime", "{", "/")
    assert {who: at for who, at in routes.items() if not at or at.lower().startswith(own)} == {}
    assert [function["name"] for function in http if not function["methods"]] == []


def overlap(one: str, other: str) -> bool:
    """Whether some path fits both templates."""
    left, right = one.lower().split("/"), other.lower().split("/")
    rest = "{*" in one or "{*" in other
    if len(left) != len(right) and not rest:
        return False
    return all(a == b or "{" in a or "{" in b for a, b in zip(left, right, strict=False))


def test_no_request_fits_two_functions(http: list[dict[str, Any]]) -> None:
    """The worker's host has no precedence: the first by name wins. So the rest of what is below an
    endpoint may be caught by one that comes after all others that it fits too."""
    clashes = [
        (one["name"], other["name"])
        for one, other in itertools.combinations(http, 2)
        if set(one["methods"]) & set(other["methods"]) and overlap(one["route"], other["route"])
    ]
    rest = ("score_online_endpoint_path", "score_online_endpoint_path_by_host_score")
    assert [clash for clash in clashes if max(clash) not in rest] == []


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a/{x}", "a/b", True),
        ("a/{x}", "A/{y}", True),
        ("a/{x}", "b/{x}", False),
        ("a/{x}/c", "a/b/{y}", True),
        ("a", "a/b", False),
        ("a/{*rest}", "a/b/c", True),
    ],
)
def test_overlapping_templates_are_seen(one: str, other: str, both: bool) -> None:
    assert overlap(one, other) is both


def test_importing_the_app_reaches_for_nothing_outside_the_process() -> None:
    assert indexed()["did"] == []
    assert indexed()["left_behind"] == []


def test_importing_the_app_works_on_a_running_loop_and_starts_nothing_on_it() -> None:
    assert indexed()["tasks"] == 0


def test_the_worker_s_log_relay_stays() -> None:
    assert indexed()["log_relay_kept"]


def test_an_import_that_cannot_succeed_says_why_and_is_no_system_exit(tmp_path: Path) -> None:
    done = run({}, str(tmp_path))
    assert done.returncode == 1, "a SystemExit would end the worker with a code of its own"
    assert "SettingsError" in done.stderr
    assert "ML_ENDPOINTS_PLATFORM: missing" in done.stderr


def test_nothing_that_the_app_imports_takes_the_root_logger_or_ends_the_process() -> None:
    modules = indexed()["modules"]
    assert "function_app.py" in modules
    assert "infra/composition/__init__.py" in modules
    for module in modules:
        text = (ROOT / module).read_text().split('if __name__ == "__main__"')[0]
        for word in ("basicConfig", "SystemExit", "sys.exit(", "os._exit(", "asyncio.run("):
            assert word not in text, f"{module} has {word}"
