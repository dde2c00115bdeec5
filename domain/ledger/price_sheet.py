"""What things cost: the prices that a user has set, or a sample."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final

from pydantic import Field

from domain.ground.resource import Text
from domain.ports import InstanceSize
from domain.values import Value

Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
HOUR: Final = 3600.0
GIB: Final = 2.0**30
MONTH_DAYS: Final = 30.4375
"""Of a month as prices of storage have it."""


class PriceSheet(Value):
    """Prices in `currency`. Of an hour of an instance: by its type; where `machine_per_hour` is
    given, of the machine that everything here runs on, of which an instance has a part; else by
    its cores and memory, where those have a price. Without any it is not priced."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    as_of: date | None = None
    source: Text = ""
    instance_types: dict[Annotated[str, Field(min_length=1, max_length=128)], Price] = {}
    machine_per_hour: Price | None = None
    core_per_hour: Price | None = None
    gib_per_hour: Price | None = None
    million_requests: Price = 0.0
    gib_moved: Price = 0.0
    gib_stored_per_month: Price = 0.0

    def per_hour(
        self, instance_type: str, sizes: Mapping[str, InstanceSize], machine: InstanceSize | None
    ) -> float | None:
        """Of one instance; None: it has no price. `sizes` says what instance types mean here, and
        `machine` what this one has, if it is known."""
        name = instance_type.casefold()
        size = next((each for key, each in sizes.items() if key.casefold() == name), None)
        if self.machine_per_hour is not None:
            if size is None or machine is None:
                return None
            part = max(size.cpu / machine.cpu, size.memory / machine.memory)
            return self.machine_per_hour * min(part, 1.0)
        for key, price in self.instance_types.items():
            if key.casefold() == name:
                return price
        if size is None or (self.core_per_hour is None and self.gib_per_hour is None):
            return None
        memory = (self.gib_per_hour or 0.0) * size.memory / GIB
        return (self.core_per_hour or 0.0) * size.cpu + memory


SAMPLE: Final = PriceSheet(
    currency="USD",
    as_of=date(2025, 6, 30),
    source=(
        "A sample: Azure's pay-as-you-go list prices of Linux virtual machines in East US, as "
        "remembered from public pages. Check them against the Azure Retail Prices API, and set "
        "your own."
    ),
    instance_types={
        "Standard_DS1_v2": 0.073,
        "Standard_DS2_v2": 0.146,
        "Standard_DS3_v2": 0.293,
        "Standard_DS4_v2": 0.585,
        "Standard_DS5_v2": 1.17,
        "Standard_F2s_v2": 0.0846,
        "Standard_F4s_v2": 0.169,
        "Standard_F8s_v2": 0.338,
        "Standard_F16s_v2": 0.677,
        "Standard_F32s_v2": 1.353,
        "Standard_F48s_v2": 2.03,
        "Standard_F64s_v2": 2.706,
        "Standard_F72s_v2": 3.045,
        "Standard_E2s_v3": 0.126,
        "Standard_E4s_v3": 0.252,
        "Standard_E8s_v3": 0.504,
        "Standard_E16s_v3": 1.008,
        "Standard_D2s_v3": 0.096,
        "Standard_D4s_v3": 0.192,
        "Standard_D8s_v3": 0.384,
        "Standard_D16s_v3": 0.768,
        "Standard_D2a_v4": 0.096,
        "Standard_D4a_v4": 0.192,
        "Standard_D8a_v4": 0.384,
        "Standard_D16a_v4": 0.768,
        "Standard_D2as_v4": 0.096,
        "Standard_D4as_v4": 0.192,
        "Standard_D8as_v4": 0.384,
    },
    gib_stored_per_month=0.0184,
)
"""Of the instance types that have a meaning here, and of a GiB of hot, locally redundant Blob."""
