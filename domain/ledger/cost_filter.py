"""Of which usage alone costs are asked, in the shape that Azure Cost Management has it in."""

from typing import Annotated

from pydantic import Field

from domain.errors import Detail
from domain.ledger.cost_query import DIMENSIONS, EVERYTHING, Dimension, Selection
from domain.values import Value

Name = Annotated[str, Field(max_length=512)]


class Comparison(Value):
    name: Name
    operator: Annotated[str, Field(pattern=r"(?i)^in$")] = "In"
    values: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=1000)]


class CostFilter(Value):
    """One of the four."""

    all_of: tuple["CostFilter", ...] | None = Field(None, alias="and")
    any_of: tuple["CostFilter", ...] | None = Field(None, alias="or")
    dimensions: Comparison | None = None
    tags: Comparison | None = None

    def selection(self, target: str, faults: list[Detail]) -> Selection:
        """With `faults` of what cannot be."""
        said = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(said) != 1:
            told = "A filter says one of and, or, dimensions and tags."
            faults.append(Detail("BadRequest", told, target))
            return EVERYTHING
        for parts, any_of in ((self.all_of, False), (self.any_of, True)):
            if parts is not None:
                inner = tuple(each.selection(target, faults) for each in parts)
                return Selection(parts=inner, any_of_parts=any_of)
        compared = self.tags or self.dimensions
        if compared is None:
            return EVERYTHING
        dimension = dimension_of(compared.name, self.tags is not None, target, faults)
        return Selection(dimension, frozenset(each.casefold() for each in compared.values))


def dimension_of(name: str, is_tag: bool, target: str, faults: list[Detail]) -> Dimension:
    """With a fault where there is none of that name."""
    if is_tag:
        return Dimension(name, is_tag=True)
    for known in DIMENSIONS:
        if known.casefold() == name.casefold():
            return Dimension(known)
    there = ", ".join(DIMENSIONS)
    told = f"There is no dimension '{name[:80]}' here; there are {there}. A tag is of type TagKey."
    faults.append(Detail("BadRequest", told, target))
    return Dimension("Endpoint")
