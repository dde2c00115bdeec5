"""The endpoint `iris`, and what is done to it."""

from domain.ground.operation import Operation
from tests.kit.stages.provisioning_stage import (
    ANY,
    CALLER,
    ProvisioningStage,
)

KEY = "online/iris/blue"


async def delete_deployment(stage: ProvisioningStage, name: str = "blue") -> Operation:
    accepted = await stage.online.provisioning.delete_deployment("iris", name, CALLER, ANY)
    assert accepted is not None
    return accepted.operation


async def delete_endpoint(stage: ProvisioningStage) -> Operation:
    accepted = await stage.online.provisioning.delete_endpoint("iris", CALLER, ANY)
    assert accepted is not None
    return accepted.operation
