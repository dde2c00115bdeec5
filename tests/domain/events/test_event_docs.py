"""docs/events.md is a promise to subscribers."""

import re
from pathlib import Path

from domain.ground.facts import EventType

TEXT = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


def test_every_type_of_event_is_listed_and_no_other() -> None:
    rows = re.findall(r"^\| `(MlEndpoints\.[A-Za-z.]+)` \| `", TEXT, re.MULTILINE)
    assert rows == [type.value for type in EventType]
