"""What an installation costs in which nothing is deployed, as docs/costs.md states it."""

from pathlib import Path

from tests.infra.bicep.bicep_reader import Resource, statements
from tests.infra.cloud.costs.idle_costs import (
    FREE,
    MOST,
    ROOT,
    executions_an_hour,
    parts,
    private_parts,
    table,
)

DOCUMENT = ROOT / "docs" / "costs.md"


async def test_nothing_goes_on_but_a_look_each_minute_and_five_and_it_costs_what_is_stated(
    tmp_path: Path,
) -> None:
    timers, messages = await executions_an_hour(tmp_path)
    assert timers == {"sweep": 60, "restore_deployments": 12, "expire_jobs": 1}
    assert messages == 0
    found = parts(sum(timers.values()) + messages)
    assert sum(part.dollars for part in found) <= MOST
    stated = DOCUMENT.read_text().splitlines()
    for row in table(found):
        assert row in stated, f"docs/costs.md lacks:\n{row}"


def test_private_networks_cost_what_is_stated() -> None:
    stated = DOCUMENT.read_text().splitlines()
    *rows, together = table(private_parts())
    assert all(row in stated for row in rows), rows
    total = together.removesuffix("|").rstrip().removesuffix("|").rstrip()
    assert any(line.startswith(total) for line in stated), total


def test_every_kind_of_resource_has_a_price() -> None:
    made = {
        value.type.partition("@")[0]
        for file in (ROOT / "infra" / "bicep").rglob("*.bicep")
        for _, _, value in statements(file.read_text())
        if isinstance(value, Resource) and not value.is_existing
    }
    priced = {type for part in (*parts(0), *private_parts()) for type in part.types}
    assert not priced & set(FREE)
    assert made <= priced | set(FREE), "say in idle_costs.py what it costs while nothing goes on"
