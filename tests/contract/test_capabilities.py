"""The contract of domain.ports.Capabilities."""

import pytest

from domain.errors import Invalid, Unsupported
from domain.ports import EnvironmentSpec
from tests.kit.stages.compute_place import BARE, Place

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_can_run_is_not_refused(place: Place) -> None:
    for instance_type in (None, "Standard_DS3_v2", "standard_f4s_v2"):
        assert not await place.capabilities.refusals(BARE, instance_type)


async def test_an_instance_type_means_cores_and_memory(place: Place) -> None:
    small = place.capabilities.size("Standard_DS2_v2")
    large = place.capabilities.size("Standard_DS3_v2")
    assert 0 < small.cpu < large.cpu
    assert 0 < small.memory < large.memory
    assert place.capabilities.size("STANDARD_ds2_V2") == small
    assert place.capabilities.size(None).cpu > 0


async def test_everything_that_can_never_run_is_told_in_a_sentence(place: Place) -> None:
    old, unknown = await place.capabilities.refusals(
        EnvironmentSpec("3.7", ()), "Standard_Nonsense"
    )
    assert "3.9 or later" in old
    assert "Standard_Nonsense" in unknown
    assert old.endswith(".")
    assert unknown.endswith(".")
    with pytest.raises(Invalid, match="Standard_Nonsense"):
        place.capabilities.size("Standard_Nonsense")


async def test_where_the_triton_server_cannot_be_run_it_is_said_what_would(place: Place) -> None:
    with pytest.raises(Unsupported, match="ML_ENDPOINTS_COMPUTE=docker"):
        place.capabilities.triton()


async def test_every_size_is_told_with_what_it_means(place: Place) -> None:
    found = place.capabilities.sizes()
    assert found["Standard_DS3_v2"] == place.capabilities.size("Standard_DS3_v2")


async def test_what_is_promised_is_within_what_may_be(place: Place) -> None:
    for each in place.capabilities.capacities():
        assert 0 <= each.promised <= each.limit
