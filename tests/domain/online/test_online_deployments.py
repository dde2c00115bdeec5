"""Deployments of online endpoints as they are shown."""

from domain.ports import LogKind
from tests.kit.stages.provisioning_stage import ProvisioningStage

KEY = "online/iris/blue"


async def test_logs_are_those_of_the_deployment(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    tail = await stage.online.deployments.log("Iris", "Blue", LogKind.INFERENCE_SERVER)
    assert await tail(7) == f"InferenceServer of {KEY}, 7"
