"""Keys of online endpoints: brought, shown, replaced one at a time."""

from typing import Any

import pytest

from domain.errors import Invalid
from domain.ground.keys import KeyType
from domain.ground.provisioning_state import TransitionRefused
from tests.kit.stages.provisioning_stage import CALLER, ProvisioningStage, faults

MINE = "a-key-that-the-caller-brought"


async def refused_endpoint(stage: ProvisioningStage, **properties: Any) -> dict[str | None, str]:
    with pytest.raises(Invalid) as refused:
        await stage.put_endpoint(**properties)
    return faults(refused.value)


async def test_keys_are_generated_and_never_shown_by_the_endpoint(stage: ProvisioningStage) -> None:
    await stage.put_endpoint()
    keys = await stage.online.keys.keys("iris")
    assert len({keys.primary_key, keys.secondary_key}) == 2
    endpoint = (await stage.online.documents.endpoint("iris")).resource
    assert endpoint.properties.keys is None
    assert keys.primary_key not in str(endpoint.to_document())


async def test_a_caller_may_bring_keys_when_it_creates_an_endpoint(
    stage: ProvisioningStage,
) -> None:
    await stage.put_endpoint(keys={"primary_key": MINE})
    keys = await stage.online.keys.keys("iris")
    assert keys.primary_key == MINE
    assert keys.secondary_key != MINE


async def test_keys_brought_again_change_nothing_and_others_are_refused(
    stage: ProvisioningStage,
) -> None:
    await stage.put_endpoint(keys={"primary_key": MINE})
    await stage.settle()
    await stage.put_endpoint(keys={"primary_key": MINE})
    await stage.settle()
    found = await refused_endpoint(stage, keys={"primary_key": MINE + "2"})
    assert "regenerateKeys" in found["properties.keys.primaryKey"]


@pytest.mark.parametrize("which", list(KeyType))
async def test_a_regenerated_key_replaces_the_old_one_at_once(
    stage: ProvisioningStage, which: KeyType
) -> None:
    await stage.put_endpoint()
    await stage.settle()
    before = await stage.online.keys.keys("iris")
    accepted = await stage.online.keys.regenerate_key("iris", which, None, CALLER)
    after = await stage.online.keys.keys("iris")
    changed = (after.primary_key != before.primary_key, after.secondary_key != before.secondary_key)
    assert changed == (which is KeyType.PRIMARY, which is KeyType.SECONDARY)
    assert accepted.operation.kind == "RegenerateKeys"
    await stage.settle()
    assert await stage.status(accepted.operation) == "Succeeded"


async def test_a_caller_may_bring_the_new_key(stage: ProvisioningStage) -> None:
    await stage.put_endpoint()
    await stage.settle()
    await stage.online.keys.regenerate_key("iris", KeyType.SECONDARY, MINE, CALLER)
    assert (await stage.online.keys.keys("iris")).secondary_key == MINE


@pytest.mark.parametrize(
    "value", ["", "short", "x" * 257, "sixteen or more, with spaces", "я" * 20]
)
async def test_a_key_that_no_header_can_carry_is_refused(
    stage: ProvisioningStage, value: str
) -> None:
    await stage.put_endpoint()
    await stage.settle()
    with pytest.raises(Invalid) as refused:
        await stage.online.keys.regenerate_key("iris", KeyType.PRIMARY, value, CALLER)
    assert refused.value.target == "keyValue"


async def test_a_key_is_not_regenerated_while_an_operation_runs(stage: ProvisioningStage) -> None:
    await stage.put_endpoint()
    with pytest.raises(TransitionRefused):
        await stage.online.keys.regenerate_key("iris", KeyType.PRIMARY, None, CALLER)


@pytest.mark.parametrize("which", list(KeyType))
async def test_a_key_that_is_brought_again_makes_a_new_one(
    stage: ProvisioningStage, which: KeyType
) -> None:
    """The official SDK asks for a new key by bringing the one that is there."""
    await stage.put_endpoint()
    await stage.settle()
    before = await stage.online.keys.keys("iris")
    now = before.primary_key if which is KeyType.PRIMARY else before.secondary_key
    await stage.online.keys.regenerate_key("iris", which, now, CALLER)
    after = await stage.online.keys.keys("iris")
    changed = (after.primary_key != before.primary_key, after.secondary_key != before.secondary_key)
    assert changed == (which is KeyType.PRIMARY, which is KeyType.SECONDARY)
