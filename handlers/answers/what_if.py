"""What a dry run answers, in the shape of ARM's what-if."""

from typing import Any, Literal

from domain.values import Value
from handlers.answers.envelope import Maybe


class ChangedField(Value):
    path: str
    property_change_type: Literal["Create", "Modify", "Delete"]
    before: Any
    after: Any


class CostChange(Value):
    before: float | None
    after: float | None
    currency: str | None
    is_sample: bool | None


class Consequences(Value):
    effect: str
    restarts: bool
    cost_per_day: CostChange


class ChangeAnswer(Value):
    """What would become of one resource."""

    resource_id: str
    change_type: Literal["Create", "Modify", "Delete"]
    before: Any
    after: Any
    delta: list[ChangedField]
    consequences: Maybe[Consequences] = None


class Changes(Value):
    changes: list[ChangeAnswer]


class WhatIfAnswer(Value):
    """What a request would change."""

    status: str
    properties: Changes
