"""Parsers of what strangers send: whatever comes, it is understood or refused in their own words.

`make fuzz` tries each with FUZZ_EXAMPLES texts.
"""

import contextlib
import os
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.documents.overrides import apply
from cli.failures import UsageFailed
from domain.assets import conda
from domain.errors import Detail
from domain.figures.metrics import CATALOGUES, ENDPOINTS
from domain.jobs.records.globs import glob_fault
from domain.schedules.cron import Cron, CronError
from handlers.figures import metric_filter
from infra.compute.http.http_answer import MalformedError, parse_head
from infra.embedded.blobs.rest.blocks import decoded_id
from infra.embedded.blobs.rest.refusals import Refusal
from infra.web.client_address import TrustedProxies

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
tried = settings(max_examples=EXAMPLES)

# Texts that come near to what a parser takes reach further than any.
_YAML = st.lists(
    st.sampled_from(
        [
            *("dependencies:", "- pip:", "  - ", "python=3.11", "numpy>=1", ": ", "&a ", "*a"),
            *(
                "{",
                "]",
                "\n",
                "'",
                '"',
                "!!python/object:os.system ",
                "<<: ",
                "? ",
                "%TAG",
                "\t",
                "1:1:1",
            ),
        ]
    ),
    max_size=40,
).map("".join)
_HEAD = st.lists(
    st.sampled_from(
        [
            *("HTTP/1.1 200 OK", "HTTP/1.0 204", "\r\n", "content-length: 5"),
            *(
                "content-length: +5",
                "transfer-encoding: chunked",
                "connection: close",
                "x: y",
                ":",
                " ",
                "\n",
                "²",
                "\x00",
            ),
        ]
    ),
    max_size=20,
).map("".join)
_CRON = st.lists(st.sampled_from(["*", "/", "-", ",", "0", "59", "mon", "jan", "L", "#", " "])).map(
    "".join
)
_GLOB = st.lists(st.sampled_from(["*", "**", "/", "?", "[", "]", "!", "a", "\\", "{", ".."])).map(
    "".join
)
_FORWARDED = st.lists(
    st.sampled_from(["for=", "proto=", "host=", ";", ",", '"', "[::1]", "1.2.3.4:80", "\\", "_x"])
).map("".join)
_TERMS = st.lists(
    st.sampled_from(
        [
            *("deployment", "statusCode", "colour", " eq ", " NE ", " and ", " or ", "(", ")"),
            *("'blue'", "'it''s'", "'*'", "'", " "),
        ]
    ),
    max_size=30,
).map("".join)


@tried
@given(text=_YAML | st.text())
def test_a_conda_file_is_an_environment_or_faults(text: str) -> None:
    spec, faults = conda.read(text)
    assert (spec is None) == bool(faults)


@tried
@given(head=_HEAD | st.text(st.characters(max_codepoint=255)))
def test_an_instances_head_is_read_or_malformed(head: str) -> None:
    try:
        status, headers, length, chunked, _ = parse_head(head.encode("latin-1"))
    except (MalformedError, UnicodeEncodeError):
        return
    assert 0 <= status <= 999
    assert length is None or not chunked
    assert not any("\r\n" in value for pair in headers for value in pair)


@tried
@given(text=_CRON | st.text())
def test_an_expression_is_a_schedule_or_an_error(text: str) -> None:
    with contextlib.suppress(CronError):
        Cron(text)


@tried
@given(text=_GLOB | st.text())
def test_a_glob_is_one_or_has_a_fault(text: str) -> None:
    fault = glob_fault(text)
    assert fault is None or fault


@tried
@given(text=_FORWARDED | st.text(st.characters(max_codepoint=255)))
def test_what_proxies_say_names_an_address_or_nobody(text: str) -> None:
    for family in ("forwarded", "x-forwarded"):
        proxies = TrustedProxies([ip_network("10.0.0.0/8")], family)
        name = b"forwarded" if family == "forwarded" else b"x-forwarded-for"
        scope = {
            "client": ("10.0.0.1", 1),
            "scheme": "http",
            "headers": [(name, text.encode("latin-1")), (b"host", b"x")],
        }
        proxies.settle(scope)
        assert scope["client"][0]


@tried
@given(text=_TERMS | st.text())
def test_a_filter_of_metrics_is_terms_or_faults(text: str) -> None:
    faults: list[Detail] = []
    metric = CATALOGUES[ENDPOINTS]["requestsperminute"]
    terms = metric_filter.parsed(text, [metric], faults)
    assert terms or faults or not text.strip()


@tried
@given(text=st.text())
def test_a_block_id_is_decoded_or_refused(text: str) -> None:
    try:
        assert decoded_id(text)
    except Refusal:
        return


@tried
@given(text=st.text())
def test_an_override_is_applied_or_refused(text: str) -> None:
    value = {"a": {"b": [1]}}
    with contextlib.suppress(UsageFailed):
        apply(value, [text])


def test_each_parser_is_tried_by_make_fuzz(pytestconfig: pytest.Config) -> None:
    makefile = (pytestconfig.rootpath / "Makefile").read_text()
    assert "tests/fuzz/test_parsers.py" in makefile
