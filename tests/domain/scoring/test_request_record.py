"""What is told of a request that has ended."""

from domain.ports import Instance, ScoringRequest, ScoringResponse
from tests.domain.scoring.passing import Stage
from tests.kit.scorers import says
from tests.kit.stages.scoring_stage import PRIMARY


async def test_a_finished_request_is_told_once_with_all_there_is_to_say(stage: Stage) -> None:
    def fail(instance: Instance, request: ScoringRequest) -> ScoringResponse:
        stage.time.move(0.25)
        return says(500, b"oops!")

    stage.scorer.script = fail
    await stage.score(
        b"four",
        deployment="green",
        headers=[
            ("user-agent", "u" * 100),
            ("x-request-id", "r1"),
            ("x-ms-client-request-id", "c1"),
        ],
    )
    record = stage.record
    assert (record.method, record.path) == ("POST", "/score")
    assert (record.endpoint, record.deployment) == ("iris", "green")
    assert (record.code, record.model_status, record.model_reason) == (424, 500, "model_error")
    assert (record.request_bytes, record.response_bytes) == (4, 5)
    assert record.user_agent == "u" * 70
    assert (record.request_id, record.client_request_id) == ("r1", "c1")
    assert record.model_seconds == record.total_seconds == 0.25
    assert PRIMARY not in repr(record)


async def test_a_refused_request_is_told_with_its_reason(stage: Stage) -> None:
    await stage.score(key="wrong")
    assert (stage.record.code, stage.record.reason) == (401, "AuthenticationFailed")
    assert stage.record.model_status is None
