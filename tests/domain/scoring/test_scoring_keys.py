"""Who may score with a key, and that nobody else may."""

import pytest

from domain.ground.access import AuthMode
from domain.ground.keys import KeyType
from tests.domain.scoring.passing import Body, Stage, header
from tests.kit.stages.scoring_stage import PRIMARY, SECONDARY


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_either_key_opens_the_endpoint(stage: Stage, key: str, scheme: str) -> None:
    answer = await stage.score(key=None, headers=[("authorization", f"{scheme} {key}")])
    assert answer.status == 200


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {PRIMARY}",
        PRIMARY,
        f"Bearer {PRIMARY}x",
        f"Bearer {PRIMARY[:-1]}",
        f"Bearer {PRIMARY} {PRIMARY}",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 50_000,
    ],
)
async def test_whatever_is_no_key_of_the_endpoint_is_401(stage: Stage, value: str | None) -> None:
    headers = [] if value is None else [("authorization", value)]
    answer = await stage.score(b"body", key=None, headers=headers)
    assert answer.status == 401
    assert header(answer, "www-authenticate") == "Bearer"
    assert not stage.scorer.asked
    assert stage.record.code == 401


async def test_two_credentials_are_none(stage: Stage) -> None:
    answer = await stage.score(headers=[("authorization", "Bearer wrong")])
    assert answer.status == 401


async def test_another_endpoint_s_key_is_401(stage: Stage) -> None:
    await stage.endpoints.put("tulips", {})
    await stage.endpoints.rotate("tulips", KeyType.PRIMARY, "the-key-of-the-tulips")
    assert (await stage.score(key="the-key-of-the-tulips")).status == 401


@pytest.mark.parametrize("mode", [AuthMode.AML_TOKEN, AuthMode.AAD_TOKEN])
async def test_a_key_opens_no_endpoint_of_another_auth_mode(stage: Stage, mode: AuthMode) -> None:
    await stage.endpoints.put("iris", {"blue": 100}, auth_mode=mode)
    answer = await stage.score()
    assert answer.status == 401
    assert answer.refusal is not None
    assert mode.value in answer.refusal.message


async def test_a_body_is_not_read_for_one_without_a_key(stage: Stage) -> None:
    body = Body(b"x")
    await stage.score(body, key="wrong", headers=[("content-length", "1")])
    assert body.read == 0


async def test_a_rotated_key_is_refused_within_two_seconds_and_the_other_goes_on(
    stage: Stage,
) -> None:
    assert (await stage.score()).status == 200
    stage.clock.move(0.9)
    await stage.endpoints.rotate("iris", KeyType.PRIMARY, "a-key-of-another-day")
    stage.clock.move(2)
    assert (await stage.score()).status == 401
    assert (await stage.score(key="a-key-of-another-day")).status == 200
    assert (await stage.score(key=SECONDARY)).status == 200


async def test_refusals_name_no_key(stage: Stage) -> None:
    answer = await stage.score(key="a-secret-that-is-wrong")
    assert answer.refusal is not None
    said = f"{answer.refusal.message} {answer.headers}"
    assert "a-secret" not in said
    assert PRIMARY not in said
