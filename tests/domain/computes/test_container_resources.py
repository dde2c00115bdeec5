"""Cores and memory that a Kubernetes deployment asks for, as an instance type of here."""

from typing import Any

import pytest

from domain.computes.container_resources import (
    ContainerResourceRequirements,
    ContainerResources,
    quantity,
    type_for,
)
from domain.errors import Invalid
from domain.ports import InstanceSize

GIB = 2**30
SIZES = {
    "local": InstanceSize(64, 256 * GIB, whole=True),
    "large": InstanceSize(8, 16 * GIB),
    "small": InstanceSize(2, 4 * GIB),
}


def asked(limits: dict[str, Any], **requests: Any) -> ContainerResourceRequirements:
    return ContainerResourceRequirements(
        container_resource_limits=ContainerResources(**limits),
        container_resource_requests=ContainerResources(**requests) if requests else None,
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("500m", 0.5), ("0.1", 0.1), ("1.5Gi", 1.5 * GIB), ("512M", 512e6), (None, 0)],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str | None, number: float) -> None:
    assert quantity(text, "memory") == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "much", "-1", "1Gib", "1e3x"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no quantity"):
        quantity(text, "cpu")


def test_the_smallest_type_that_has_it_is_taken() -> None:
    assert type_for(asked({"cpu": "0.2", "memory": "0.5Gi"}), SIZES) == "small"
    assert type_for(asked({"cpu": "1"}, cpu="3"), SIZES) == "large"
    assert type_for(asked({"memory": "5Gi"}), SIZES) == "large"


@pytest.mark.parametrize(("limits", "why"), [({"cpu": "9"}, "9 cores"), ({"gpu": "1"}, "no GPUs")])
def test_what_no_type_has_is_refused(limits: dict[str, str], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        type_for(asked(limits), SIZES)
