import pytest

from domain.errors import NewerSchema
from domain.ground import schema


@pytest.mark.parametrize("found", ["2.3", "2.9", "2.10", "2", "1.0", "1.99", "0.1"])
def test_every_first_part_up_to_ones_own_is_understood(found: str) -> None:
    schema.check(found, "2.3", "It")


@pytest.mark.parametrize("found", ["3.0", "10.0", "x", "", ".1", "-1.0", "²", None, {"a": 1}])
def test_what_is_newer_or_nobody_here_has_written_is_not(found: object) -> None:
    with pytest.raises(NewerSchema, match=r"^It was written by a newer version .* 2\.3 is known"):
        schema.check(found, "2.3", "It")
