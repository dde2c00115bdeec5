"""What passes of headers, and what the gateway says in them itself."""

import re

import pytest

from domain.ports import ScoringRequest, ScoringResponse
from tests.domain.scoring.passing import Body, Stage, header, sent_header
from tests.kit.scorers import says
from tests.kit.stages.scoring_stage import PRIMARY

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_every_answer_carries_the_gateway_s_headers(stage: Stage) -> None:
    answer = await stage.score(headers=[("x-request-id", "mine-1_A")])
    assert header(answer, "azureml-model-deployment") in {"blue", "green"}
    assert header(answer, "x-request-id") == "mine-1_A"
    assert header(answer, "x-ms-request-id") == "mine-1_A"
    assert float(header(answer, "ms-azureml-model-time") or "") >= 0
    assert header(answer, "x-ms-client-request-id") is None
    assert sent_header(stage.request, "x-request-id") == ["mine-1_A"]
    assert sent_header(stage.request, "x-ms-request-id") == ["mine-1_A"]


@pytest.mark.parametrize(
    "value", ["", "a b", "x" * 65, "a\xffb", "<script>", "a,b", "a\r\nb", "../..", "\u00b2"]
)
async def test_a_bad_request_id_is_replaced_by_a_guid(stage: Stage, value: str) -> None:
    answer = await stage.score(headers=[("x-request-id", value), ("x-ms-request-id", value)])
    found = header(answer, "x-request-id") or ""
    assert GUID.fullmatch(found)
    assert sent_header(stage.request, "x-request-id") == [found]
    assert sent_header(stage.request, "x-ms-request-id") == [found]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-DEF_123", "abc-DEF_123"),
        ("a b.c/d", "abcd"),
        ("x" * 41, "x" * 40),
        ("!" * 60 + "y", "y"),
        ("a\u00e9b", "ab"),
    ],
)
async def test_the_caller_s_own_id_is_cleaned_cut_and_given_back(
    stage: Stage, given: str, kept: str
) -> None:
    answer = await stage.score(headers=[("x-ms-client-request-id", given)])
    assert header(answer, "x-ms-client-request-id") == kept
    assert sent_header(stage.request, "x-ms-client-request-id") == [kept]
    assert stage.record.client_request_id == kept


async def test_a_client_id_with_nothing_good_in_it_is_dropped(stage: Stage) -> None:
    answer = await stage.score(headers=[("x-ms-client-request-id", "///")])
    assert header(answer, "x-ms-client-request-id") is None
    assert sent_header(stage.request, "x-ms-client-request-id") == []


async def test_refusals_carry_ids_too(stage: Stage) -> None:
    answer = await stage.score(
        key="wrong", headers=[("x-request-id", "r1"), ("x-ms-client-request-id", "c1")]
    )
    assert header(answer, "x-request-id") == "r1"
    assert header(answer, "x-ms-request-id") == "r1"
    assert header(answer, "x-ms-client-request-id") == "c1"
    assert header(answer, "azureml-model-deployment") is None


async def test_credentials_and_hop_by_hop_headers_stay_at_the_gateway(stage: Stage) -> None:
    hop_by_hop = [
        ("connection", "keep-alive, X-Private"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "close"),
        ("expect", "100-continue"),
        ("x-private", "1"),
    ]
    await stage.score(headers=[*hop_by_hop, ("x-public", "2"), ("host", "h")])
    names = {name for name, _ in stage.request.headers}
    assert names == {"x-public", "host", "x-request-id", "x-ms-request-id"}
    assert PRIMARY not in str(stage.request.headers)


async def test_a_length_beside_chunks_is_not_believed(stage: Stage) -> None:
    async def take(request: ScoringRequest) -> ScoringResponse:
        assert not isinstance(request.body, bytes)
        return says(body=b"".join([piece async for piece in request.body]))

    stage.scorer.script = lambda instance, request: take(request)
    answer = await stage.score(
        Body(b"abc"), headers=[("content-length", "1"), ("transfer-encoding", "chunked")]
    )
    assert answer.body == b"abc"
    assert sent_header(stage.request, "content-length") == []


async def test_a_model_cannot_speak_for_the_gateway(stage: Stage) -> None:
    stage.scorer.script = lambda instance, request: says(
        200,
        b"x",
        [
            ("azureml-model-deployment", "fake"),
            ("x-request-id", "fake"),
            ("x-ms-request-id", "fake"),
            ("x-ms-client-request-id", "fake"),
            ("ms-azureml-model-error-reason", "fake"),
            ("ms-azureml-model-error-statuscode", "1"),
            ("ms-azureml-model-time", "0"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("x-split", "a\nset-cookie: evil=1"),
            ("x-null", "a\x00b"),
            ("x-bad\nname", "1"),
            ("x-own", "caf\u00e9\u00a0x\ttab"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ],
    )
    answer = await stage.score(deployment="green")
    assert "fake" not in str(answer.headers)
    assert "evil" not in str(answer.headers)
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert header(answer, "x-own") == "caf\u00e9\u00a0x\ttab"
    names = [name for name, _ in answer.headers]
    assert not {"connection", "transfer-encoding", "x-null", "x-bad\nname"} & set(names)
