import pytest

from domain.online.traffic.traffic import traffic_faults

THERE = ["blue", "green"]


@pytest.mark.parametrize(
    ("traffic", "mirror"),
    [
        ({}, {}),
        ({"blue": 0}, {}),
        ({"blue": 100}, {}),
        ({"blue": 90, "green": 10}, {}),
        ({"BLUE": 100, "Green": 0}, {}),
        ({"blue": 100}, {"green": 50}),
        ({"blue": 100}, {"green": 0, "blue": 0}),
        ({}, {"green": 1}),
    ],
)
def test_what_azure_ml_accepts_is_accepted(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    assert traffic_faults(traffic, mirror, THERE) == []


@pytest.mark.parametrize(
    ("traffic", "mirror", "target", "because"),
    [
        ({"blue": 99}, {}, "properties.traffic", "sums to 99"),
        ({"blue": 60, "green": 60}, {}, "properties.traffic", "sums to 120"),
        ({"red": 100}, {}, "properties.traffic.red", "(there: blue, green)"),
        ({"red": 0, "blue": 100}, {}, "properties.traffic.red", "does not exist"),
        ({"blue": 150, "green": -50}, {}, "properties.traffic.green", "0 to 100"),
        ({"blue": 100}, {"green": 51}, "properties.mirrorTraffic.green", "at most 50"),
        ({"blue": 100}, {"red": 10}, "properties.mirrorTraffic.red", "does not exist"),
        ({"blue": 100}, {"Blue": 10}, "properties.mirrorTraffic.Blue", "live traffic"),
        ({}, {"blue": 1, "green": 1}, "properties.mirrorTraffic", "one deployment only"),
    ],
)
def test_a_fault_names_the_field_that_has_it(
    traffic: dict[str, int], mirror: dict[str, int], target: str, because: str
) -> None:
    found = [f for f in traffic_faults(traffic, mirror, THERE) if f.target == target]
    assert len(found) == 1
    assert because in found[0].message
    assert found[0].code == "TrafficNotAllocatable"


def test_two_spellings_of_one_deployment_are_a_fault() -> None:
    found = traffic_faults({"blue": 50, "BLUE": 50}, {}, THERE)
    assert [fault.target for fault in found] == ["properties.traffic.BLUE"]


def test_an_endpoint_without_deployments_says_so() -> None:
    [fault] = traffic_faults({"blue": 100}, {}, [])
    assert "(there: none)" in fault.message


def test_every_fault_is_found_at_once() -> None:
    found = traffic_faults({"red": 120, "blue": 5}, {"blue": 60, "green": 2}, THERE)
    assert {fault.target for fault in found} == {
        "properties.traffic.red",
        "properties.traffic",
        "properties.mirrorTraffic",
        "properties.mirrorTraffic.blue",
    }
    assert len(found) == 6
