"""`$filter` of metrics."""

import pytest

from domain.errors import Detail
from domain.figures.metric_query import Term
from domain.figures.metrics import CATALOGUES, ENDPOINTS
from handlers.figures.metric_filter import parsed

REQUESTS = CATALOGUES[ENDPOINTS]["requestsperminute"]
LATENCY = CATALOGUES[ENDPOINTS]["requestlatency"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("deployment eq '*'", (Term("deployment"),)),
        ("DEPLOYMENT EQ 'Blue'", (Term("deployment", ("Blue",)),)),
        (
            "deployment eq 'blue' and statusCodeClass eq '*'",
            (Term("deployment", ("blue",)), Term("statusCodeClass")),
        ),
        (
            "(deployment eq 'blue' or deployment eq 'green') and statusCode ne '200'",
            (Term("deployment", ("blue", "green")), Term("statusCode", ("200",), negated=True)),
        ),
        (
            "deployment eq 'blue' or deployment eq 'it''s' and statusCode eq '*'",
            (Term("deployment", ("blue", "it's")), Term("statusCode")),
        ),
        (
            "statusCode ne '200' and statusCode ne '424'",
            (Term("statusCode", ("200", "424"), negated=True),),
        ),
        (
            "(statusCode ne '200' and statusCode ne '424')",
            (Term("statusCode", ("200", "424"), negated=True),),
        ),
    ],
)
def test_terms_are_joined_as_azure_monitor_joins_them(text: str, terms: tuple[Term, ...]) -> None:
    faults: list[Detail] = []
    assert parsed(text, [REQUESTS], faults) == terms
    assert not faults


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("deployment = 'blue'", "not understood at 'deployment = 'blue''"),
        ("deployment eq 'blue' and", "breaks off"),
        ("deployment eq 'blue' statusCode eq '200'", "lacks 'and' or 'or' before statusCode"),
        ("and deployment eq 'blue'", "nothing before 'and'"),
        ("(deployment eq 'blue'", "breaks off"),
        ("deployment eq 'blue')", "parentheses"),
        ("((deployment eq 'blue'))", "parentheses"),
        ("deployment eq 'blue' or statusCode eq '200'", "'or' may not stand between"),
        ("deployment eq 'a' or deployment ne 'b'", "by eq or by ne, not by both"),
        ("deployment eq 'a' and deployment eq 'b'", "comes twice"),
        ("colour eq 'a'", "no dimension 'colour'; its dimensions: deployment, statusCode"),
        ("deployment eq 'a'" + " or deployment eq 'a'" * 100, "more than 100 values"),
        (" " * 4096 + "deployment eq 'a'", "more than 4096 characters"),
    ],
)
def test_what_cannot_be_is_told(text: str, why: str) -> None:
    faults: list[Detail] = []
    parsed(text, [REQUESTS], faults)
    assert [why in fault.message for fault in faults] == [True]
    assert faults[0].target == "$filter"


def test_every_metric_must_have_the_dimension() -> None:
    faults: list[Detail] = []
    parsed("statusCode eq '200'", [REQUESTS, LATENCY], faults)
    assert "RequestLatency has no dimension 'statusCode'" in faults[0].message


def test_what_is_told_apart_takes_any_case() -> None:
    assert Term("deployment", ("Blue",)).takes("blue")
    assert not Term("deployment", ("blue",), negated=True).takes("BLUE")
    assert Term("deployment").takes("")
