"""Deployments of online endpoints as they are shown."""

from domain.ports import LogKind
from tests.kit.stages.provisioning_stage import ProvisioningStage

KEY = "online/iris/blue"


async def test_logs_are_those_of_the_deployment(stage: ProvisioningStage) -> None:
    await stage.iris("blue")
    logs = await stage.online.deployments.logs("Iris", "Blue", LogKind.INFERENCE_SERVER, 7)
    assert logs == f"InferenceServer of {KEY}, 7"
