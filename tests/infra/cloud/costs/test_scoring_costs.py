"""What either way of taking scoring requests costs, as docs/costs.md states it."""

import re

from tests.infra.cloud.costs.idle_costs import ROOT
from tests.infra.cloud.costs.scoring_costs import CORES, GIGABYTES, table, ways


def test_both_ways_cost_what_is_stated_side_by_side() -> None:
    stated = (ROOT / "docs" / "costs.md").read_text().splitlines()
    for row in table():
        assert row in stated, f"docs/costs.md lacks:\n{row}"


def test_a_gateway_is_cheaper_once_it_is_busy_and_dearer_while_it_waits() -> None:
    assert ways(0.0).functions == 0.0 < ways(0.0).gateway
    assert ways(1.0).gateway < ways(1.0).functions


def test_the_gateway_that_is_reckoned_with_is_the_one_that_is_made() -> None:
    made = (ROOT / "infra" / "bicep" / "modules" / "gateway.bicep").read_text()
    [(cores, memory)] = re.findall(r"cpu: json\('([\d.]+)'\)\s+memory: '(\d+)Gi'", made)
    assert (float(cores), float(memory)) == (CORES, GIGABYTES)
