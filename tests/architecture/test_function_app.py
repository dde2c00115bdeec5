"""The rules of Microsoft's Functions worker, each checked on the real app."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.real_app import ROOT, indexed, run

FUNCTIONS: list[dict[str, Any]] = indexed()["functions"]
HTTP = [function for function in FUNCTIONS if function["type"] == "httpTrigger"]
TRIGGERS = {"httpTrigger", "serviceBusTrigger", "blobTrigger", "timerTrigger"}


def every(function: dict[str, Any]) -> str:
    return str(function["name"])


for_every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=every)


def test_there_is_one_function_app_under_one_name() -> None:
    assert indexed()["apps"] == ["app"]


def test_function_names_are_unique_whatever_their_case() -> None:
    names = [function["name"].lower() for function in FUNCTIONS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,127}", name) for name in names)


def test_every_kind_of_trigger_is_there_and_no_other() -> None:
    assert {function["type"] for function in FUNCTIONS} == TRIGGERS


@for_every_function
def test_parameters_are_the_binding_s_name_and_nothing_else(function: dict[str, Any]) -> None:
    own = [name for name in function["bindings"] if name != "$return"]
    assert list(function["parameters"]) == own == [function["trigger_binding"]]
    [(kind, has_no_default)] = function["parameters"].values()
    assert kind == "POSITIONAL_OR_KEYWORD"
    assert has_no_default


@for_every_function
def test_binding_names_are_letters_and_digits(function: dict[str, Any]) -> None:
    for name in function["bindings"]:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]*|\$return", name)


@for_every_function
def test_handlers_are_plain_async_functions_and_wrappers_look_alike(
    function: dict[str, Any],
) -> None:
    assert function["is_function"], "functools.partial is refused"
    assert function["is_async"]
    assert function["own_parameters"] == list(function["parameters"])


@for_every_function
def test_annotations_resolve_at_run_time_to_the_trigger_s_type(function: dict[str, Any]) -> None:
    hints = function["hints"]
    assert set(hints) == {function["trigger_binding"], "return"}
    given, returned = hints[function["trigger_binding"]], hints["return"]
    expected = {
        "httpTrigger": ("starlette.requests.Request", "starlette.responses.Response"),
        "serviceBusTrigger": ("azure.functions._abc.ServiceBusMessage", "builtins.NoneType"),
        "blobTrigger": ("azure.functions._abc.InputStream", "builtins.NoneType"),
        "timerTrigger": ("azure.functions._abc.TimerRequest", "builtins.NoneType"),
    }
    package, _, kind = given.rpartition(".")
    wanted_package, _, wanted_kind = expected[function["type"]][0].rpartition(".")
    assert kind == wanted_kind
    assert package.split(".")[:2] == wanted_package.split(".")[:2]
    assert returned == expected[function["type"]][1]


@for_every_function
def test_messages_come_one_by_one(function: dict[str, Any]) -> None:
    assert function["cardinality"].lower().endswith("one")


@pytest.mark.parametrize("function", HTTP, ids=every)
def test_routes_keep_clear_of_the_host_s_own(function: dict[str, Any]) -> None:
    first = function["route"].split("/")[0].lower()
    assert first
    assert not first.startswith(("admin", "runtime", "{"))
    assert not function["route"].startswith("/")
    assert function["methods"]


def overlap(one: str, other: str) -> bool:
    """Whether some path fits both templates."""
    left, right = one.lower().split("/"), other.lower().split("/")
    rest = "{*" in one or "{*" in other
    if len(left) != len(right) and not rest:
        return False
    return all(a == b or "{" in a or "{" in b for a, b in zip(left, right, strict=False))


def test_no_request_fits_two_functions() -> None:
    """The worker's host has no precedence: the first by name wins. So the rest of what is below an
    endpoint may be caught by one that comes after all others that it fits too."""
    clashes = [
        (one["name"], other["name"])
        for one, other in itertools.combinations(HTTP, 2)
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
