"""Which deployment a request goes to."""

import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ground.provisioning_state import ProvisioningState
from domain.scoring.scoring_bodies import StreamedAnswer
from domain.scoring.scoring_exchange import SWAGGER
from tests.domain.scoring.passing import Stage, header


async def test_the_split_is_exact(stage: Stage) -> None:
    chosen = Counter([(await stage.score()).body for _ in range(1000)])
    assert chosen == {b"blue-0": 900, b"green-0": 100}


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cuts=st.lists(st.integers(0, 100), min_size=0, max_size=19), rounds=st.integers(1, 2))
async def test_the_split_is_exact_over_any_number_of_deployments(
    stage: Stage, cuts: list[int], rounds: int
) -> None:
    edges = [0, *sorted(cuts), 100]
    traffic = {f"part{i}": b - a for i, (a, b) in enumerate(itertools.pairwise(edges))}
    name = f"split{len(stage.compute.ready)}"
    await stage.endpoints.put(name, traffic)
    for deployment in traffic:
        await stage.endpoints.put_deployment(name, deployment)
        stage.compute.start(name, deployment)
    chosen: Counter[str] = Counter()
    for _ in range(100 * rounds):
        answer = await stage.score(endpoint=name)
        chosen[header(answer, "azureml-model-deployment") or ""] += 1
    assert chosen == {key: percent * rounds for key, percent in traffic.items() if percent}


@pytest.mark.parametrize("named", ["green", "GREEN", " green "])
async def test_a_caller_can_name_a_deployment(stage: Stage, named: str) -> None:
    for _ in range(20):
        answer = await stage.score(deployment=named)
        assert answer.body == b"green-0"
        assert header(answer, "azureml-model-deployment") == "green"


async def test_a_named_deployment_needs_no_traffic(stage: Stage) -> None:
    await stage.endpoints.change("iris", traffic={"blue": 100})
    assert (await stage.score(deployment="green")).body == b"green-0"


async def test_a_named_deployment_takes_no_turn_of_the_split(stage: Stage) -> None:
    chosen: Counter[bytes | StreamedAnswer] = Counter()
    for _ in range(100):
        await stage.score(deployment="green")
        chosen[(await stage.score()).body] += 1
    assert chosen == {b"blue-0": 90, b"green-0": 10}


async def test_an_unknown_deployment_is_404_with_the_names_there_are(stage: Stage) -> None:
    answer = await stage.score(deployment="reddish")
    assert answer.status == 404
    assert answer.refusal is not None
    assert answer.refusal.code == "DeploymentNotFound"
    assert "blue, green" in answer.refusal.message
    assert not stage.scorer.asked


async def test_the_names_there_are_need_a_key(stage: Stage) -> None:
    answer = await stage.score(deployment="reddish", key="wrong")
    assert answer.status == 401
    assert answer.refusal is not None
    assert "blue" not in answer.refusal.message


async def test_an_empty_deployment_header_names_nothing(stage: Stage) -> None:
    assert (await stage.score(deployment="")).status == 200


async def test_no_positive_traffic_is_404(stage: Stage) -> None:
    await stage.endpoints.change("iris", traffic={"blue": 0})
    answer = await stage.score()
    assert answer.status == 404
    assert answer.refusal is not None
    assert answer.refusal.code == "NoRoute"


@pytest.mark.parametrize("name", ["tulips", "no/such", "", "x" * 3000])
async def test_an_unknown_endpoint_is_404(stage: Stage, name: str) -> None:
    answer = await stage.score(endpoint=name)
    assert answer.status == 404
    assert answer.refusal is not None
    assert answer.refusal.code == "EndpointNotFound"
    assert len(answer.refusal.message) < 200


async def test_an_endpoint_being_deleted_is_404(stage: Stage) -> None:
    await stage.endpoints.move("iris", ProvisioningState.DELETING)
    assert (await stage.score()).status == 404


async def test_endpoint_names_are_case_insensitive(stage: Stage) -> None:
    assert (await stage.score(endpoint="IRIS")).status == 200


async def test_the_openapi_document_comes_from_the_busiest_and_takes_no_turn(
    stage: Stage,
) -> None:
    for _ in range(30):
        answer = await stage.score(path=SWAGGER, method="GET", query="version=3")
        assert answer.body == b"blue-0"
    assert (stage.request.path, stage.request.query) == ("/swagger.json", "version=3")
    chosen = Counter([(await stage.score()).body for _ in range(100)])
    assert chosen == {b"blue-0": 90, b"green-0": 10}
    named = await stage.score(path=SWAGGER, method="GET", deployment="green")
    assert named.body == b"green-0"
    assert (await stage.score(path=SWAGGER, method="GET", key="wrong")).status == 401
