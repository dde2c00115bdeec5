"""What counts of instances, on a machine of 2 cores and 8 GiB of which models may have 7."""

import pytest

from domain.ports import InstanceSize
from infra.compute.ground.instance_types import GIB, InstanceType, find
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.ground.room import UNNAMED, Portion, Room

LAPTOP = InstanceType("local", 2, 8 * GIB)
WHOLE = InstanceSize(2, 8 * GIB, whole=True)


def room(**limits: float) -> Room:
    usual = {"memory": 7 * GIB, "memory_overcommit": 8.0, "core_overcommit": 8.0}
    return Room(LocalLimits(**{**usual, **limits}), LAPTOP)  # type: ignore[arg-type]  # by name


def size(name: str) -> InstanceSize:
    found = find(name)
    assert found is not None
    return InstanceSize(found.cpu, found.memory)


def refusal(of: Room, name: str, count: int, taken: Portion | None = None) -> str | None:
    return of.refusal(size(name), of.of(size(name), count), taken or Portion())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Standard_DS1_v2", 12),
        ("Standard_DS2_v2", 6),
        ("Standard_F2s_v2", 8),
        ("Standard_F4s_v2", 6),
        ("Standard_DS3_v2", 6),
        ("Standard_E4s_v3", 6),
        ("Standard_DS5_v2", 6),
        ("Standard_F72s_v2", 1),
    ],
)
def test_what_people_deploy_on_a_laptop_fits(name: str, count: int) -> None:
    assert refusal(room(), name, count) is None


def test_the_absurd_is_refused_with_the_arithmetic() -> None:
    told = refusal(room(), "Standard_DS5_v2", 50, Portion(2, GIB, 4))
    assert told == (
        "50 x 1.0 GiB of memory (1/8 of 56.0 GiB, of which this machine has 7.0 GiB) are 43.8 GiB, "
        "others count for 1.0 GiB, and models may have 7.0 GiB here (ML_ENDPOINTS_MACHINE_MEMORY, "
        "ML_ENDPOINTS_MEMORY_OVERCOMMIT). 50 x 2 cores (16 cores, of which this machine has 2) are "
        "100, others are promised 4, and 16 may be promised here (2 x "
        "ML_ENDPOINTS_CORE_OVERCOMMIT). There is room for 6."
    ).replace("50 x 1.0", "50 x 0.9")


def test_without_overcommitting_all_of_the_type_counts() -> None:
    strict = room(memory_overcommit=1)
    assert refusal(strict, "Standard_DS1_v2", 2) is None
    assert "3 x 3.5 GiB" in str(refusal(strict, "Standard_DS1_v2", 3))
    assert refusal(strict, "Standard_DS5_v2", 1) is None
    assert refusal(strict, "Standard_DS5_v2", 2) is not None


def test_what_instances_have_been_seen_to_use_counts_where_it_is_more() -> None:
    small = size("Standard_F2s_v2")
    assert room().of(small, 2).memory == GIB
    assert room().of(small, 3, seen=[2 * GIB, 100]).memory == 4.5 * GIB
    told = room().refusal(small, room().of(small, 4, seen=[2 * GIB]), Portion())
    assert "4 x 2.0 GiB of memory (which is what they have been seen to use) are 8.0" in str(told)


def test_processes_of_one_instance_share_what_it_counts_for() -> None:
    four = room().of(size("Standard_F2s_v2"), 8, workers=4)
    assert four == Portion(8, GIB, 4)
    told = room(processes=7).refusal(size("Standard_F2s_v2"), four, Portion(), workers=4)
    assert "at most 7" in str(told)


def test_where_no_type_is_named_a_little_counts_until_it_is_measured() -> None:
    assert room().of(WHOLE, 8) == Portion(8, 8 * UNNAMED, 8)
    assert room().of(WHOLE, 2, seen=[GIB]).memory == 2 * GIB
    assert "until they are measured" in str(room().refusal(WHOLE, room().of(WHOLE, 40), Portion()))


def test_more_cores_promised_than_there_are_is_worth_a_warning() -> None:
    assert room().overcommitted(Portion(1, 0, 2)) is None
    told = str(room().overcommitted(Portion(3, 0, 6)))
    assert told.startswith("6 cores are promised to models, and this machine has 2")
