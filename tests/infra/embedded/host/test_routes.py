"""Routes as the Functions host matches them."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.embedded.host.routes import NoMatch, Route, RouteError, Routes

WORKSPACE = (
    "subscriptions/{subscription}/resourceGroups/{group}/providers"
    "/Microsoft.MachineLearningServices/workspaces/{workspace}"
)


def routes(*given: tuple[str, str, str]) -> Routes[str]:
    return Routes(
        Route(name, template, frozenset(methods.split()), name) for name, template, methods in given
    )


def test_a_parameter_takes_one_segment_and_literals_match_in_any_case() -> None:
    app = routes(("get_endpoint", f"{WORKSPACE}/onlineEndpoints/{{endpoint}}", "GET"))
    path = (
        b"/SUBSCRIPTIONS/s/resourcegroups/G/providers/microsoft.machinelearningservices"
        b"/workspaces/w/onlineendpoints/Mixed"
    )
    target, parameters = app.match("GET", path)  # type: ignore[misc]
    assert target == "get_endpoint"
    assert dict(parameters) == {
        "subscription": "s",
        "group": "G",
        "workspace": "w",
        "endpoint": "Mixed",
    }
    assert isinstance(app.match("GET", path + b"/more"), NoMatch)


def test_the_first_by_function_name_wins_not_the_more_literal_one() -> None:
    app = routes(("b_literal", "endpoints/special", "GET"), ("a_any", "endpoints/{name}", "GET"))
    assert app.match("GET", b"/endpoints/special") == ("a_any", {"name": "special"})
    other = routes(("a_literal", "endpoints/special", ""), ("b_any", "endpoints/{name}", ""))
    assert other.match("GET", b"/endpoints/special") == ("a_literal", {})
    assert other.match("GET", b"/endpoints/other") == ("b_any", {"name": "other"})


def test_order_is_by_name_in_any_case() -> None:
    app = routes(("Zeta", "x", ""), ("alpha", "x", ""))
    assert app.match("GET", b"/x") == ("alpha", {})


def test_another_method_leaves_the_path_to_the_next_route() -> None:
    app = routes(("a", "x/{id}", "GET PUT"), ("b", "x/{id}", "POST"))
    assert app.match("POST", b"/x/1") == ("b", {"id": "1"})
    assert app.match("DELETE", b"/x/1") == NoMatch(("GET", "POST", "PUT"))
    assert app.match("DELETE", b"/y/1") == NoMatch(())


def test_a_rest_takes_everything_that_is_left_even_nothing() -> None:
    app = routes(("files", "files/{*path}", "GET"))
    assert app.match("GET", b"/files/a/b%20c/d") == ("files", {"path": "a/b c/d"})
    assert app.match("GET", b"/files/") == ("files", {"path": ""})
    assert app.match("GET", b"/files") == ("files", {"path": ""})


def test_escapes_are_undone_segment_by_segment() -> None:
    app = routes(("one", "x/{id}", "GET"))
    assert app.match("GET", b"/x/a%2Fb%C3%A9") == ("one", {"id": "a/bé"})


def test_a_trailing_slash_is_ignored_and_empty_segments_match_nothing() -> None:
    app = routes(("one", "x/{id}/y", "GET"))
    assert app.match("GET", b"/x/1/y/") == ("one", {"id": "1"})
    assert isinstance(app.match("GET", b"/x//y"), NoMatch)
    assert isinstance(app.match("GET", b"//x/1/y"), NoMatch)


def test_the_root_can_be_a_route() -> None:
    assert routes(("home", "", "GET")).match("GET", b"/") == ("home", {})


@pytest.mark.parametrize("template", ["x/{id:int}", "x/{id?}", "{*rest}/more", "x/a{id}", "x/{1a}"])
def test_what_is_not_understood_is_refused_at_start(template: str) -> None:
    with pytest.raises(RouteError):
        routes(("one", template, "GET"))


SEGMENT = st.sampled_from(["a", "b", "{p}", "{q}", "C"])
TEMPLATES = st.lists(st.lists(SEGMENT, min_size=1, max_size=4, unique=True), min_size=1, max_size=8)


@given(
    templates=TEMPLATES,
    path=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4),
)
def test_a_match_is_what_trying_every_template_in_order_gives(
    templates: list[list[str]], path: list[str]
) -> None:
    app = Routes(
        Route(f"f{number}", "/".join(template), frozenset({"GET"}), number)
        for number, template in enumerate(templates)
    )
    found = app.match("GET", ("/" + "/".join(path)).encode())

    def fits(template: list[str]) -> bool:
        return len(template) == len(path) and all(
            part.startswith("{") or part.lower() == segment
            for part, segment in zip(template, path, strict=True)
        )

    expected = next((n for n, template in enumerate(templates) if fits(template)), None)
    if expected is None:
        assert found == NoMatch(())
        return
    assert not isinstance(found, NoMatch)
    target, parameters = found
    assert target == expected
    assert dict(parameters) == {
        part.strip("{}"): segment
        for part, segment in zip(templates[expected], path, strict=True)
        if part.startswith("{")
    }


def test_paths_that_never_repeat_do_not_pile_up() -> None:
    app = routes(("one", "x/{id}", "GET"))
    paths = [b"/x/%d" % number for number in range(10_000)]
    found = [app.match("GET", path) for path in paths]
    latest = zip(reversed(paths), reversed(found), strict=True)
    kept = itertools.takewhile(lambda each: app.match("GET", each[0]) is each[1], latest)
    assert sum(1 for _ in kept) <= 2048


def test_what_callers_send_is_remembered_up_to_a_length() -> None:
    app = routes(("score", "endpoints/{endpoint}/score", "POST"))
    short, long = b"/endpoints/iris/score", b"/endpoints/" + b"a" * 60_000 + b"/score"
    tracemalloc.start()
    try:
        for number in range(500):
            assert not isinstance(app.match("POST", b"%s%d/score" % (long[:-6], number)), NoMatch)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2**20
    assert app.match("POST", short) is app.match("POST", short)
