"""1,000 instances elsewhere and 200 gateways ask of the store what docs/costs.md says."""

from pathlib import Path

from tests.infra.compute.remote.fleet_scale import GATEWAYS, measured

STATED = (Path(__file__).parents[4] / "docs" / "costs.md").read_text().splitlines()


async def test_a_change_is_one_write_and_a_look_one_read_by_each_gateway() -> None:
    endpoints = 10
    found = await measured(endpoints)
    assert found.row in STATED
    assert found.change == {"reads": 1, "batches": 1, "Replace": 1}
    assert found.quiet == found.after == {"reads": GATEWAYS * endpoints}
    assert found.opened == (0, GATEWAYS), "secrets are opened after a change alone"
