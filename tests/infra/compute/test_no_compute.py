"""In Azure, until models can run there: refused, and told why."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Invalid
from domain.ground.access import trusted
from domain.ports import Instance, InstanceLost, LogKind, ScoringRequest, UnitRequest
from infra.compute.no_compute import REASON, NoCapabilities, NoScorer, NoServing, NoWorkers
from tests.kit.composed import composed
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
    batch_deployment,
    batch_endpoint,
    faults,
    opened,
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProvisioningStage]:
    """Whose endpoints are on no compute, though its assets were made where there was one."""
    async with opened(tmp_path) as stage:
        await stage.register_assets()
        nowhere = replace(
            stage.adapters,
            capabilities=NoCapabilities(),
            serving=NoServing(),
            workers=NoWorkers(),
        )
        stage.live(composed(nowhere))
        yield stage


async def test_an_endpoint_is_made_but_a_deployment_is_refused(stage: ProvisioningStage) -> None:
    await stage.put_endpoint()
    await stage.settle()
    assert (
        await stage.online.documents.endpoint("iris")
    ).resource.provisioning_state.value == "Succeeded"
    with pytest.raises(Invalid) as refused:
        await stage.put_deployment()
    assert REASON in faults(refused.value).values()


async def test_a_batch_deployment_is_refused(stage: ProvisioningStage) -> None:
    await stage.batch.provisioning.put_endpoint("iris", batch_endpoint(), trusted(CALLER), ANY)
    await stage.settle()
    with pytest.raises(Invalid) as refused:
        await stage.batch.provisioning.put_deployment(
            "iris", "blue", batch_deployment(), trusted(CALLER), ANY
        )
    assert REASON in faults(refused.value).values()


async def test_nothing_runs_and_nothing_can_be_asked() -> None:
    serving, workers, scorer = NoServing(), NoWorkers(), NoScorer()
    with pytest.raises(Invalid, match="no managed compute"):
        NoCapabilities().size(None)
    assert serving.instances("online/iris/blue") == ()
    assert workers.holder is None
    for key in ("online/iris/blue", "batch/job"):
        for each in (serving, workers):
            assert await each.keys() == ()
            assert await each.observe(key) is None
            assert await each.remove(key, grace=timedelta(0))
            assert await each.logs(key, LogKind.INFERENCE_SERVER, tail=1) == ""
    request = ScoringRequest("POST", "/score", "", [], b"")
    with pytest.raises(InstanceLost) as lost:
        await scorer.score(Instance("i", "nowhere"), request, timeout=1)
    assert not lost.value.sent
    unit = UnitRequest("a", (), timedelta(seconds=1), "csv", None)
    outcome = await workers.run_unit("batch/job", unit, wait=1)
    assert outcome is not None
    assert outcome.lost == REASON
