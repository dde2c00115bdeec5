"""What the app asks of Azure for each thing it does, as docs/costs.md states it."""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.infra.cloud.costs import cost_scenarios as scenarios
from tests.infra.cloud.costs.cost_figures import Figures
from tests.infra.cloud.costs.cost_scenarios import FEW, Costs
from tests.infra.cloud.costs.cost_stage import CostStage, opened
from tests.infra.cloud.costs.cost_table import rows
from tests.servers.processes import BlobServer, CosmosServer
from tests.servers.required import without

pytestmark = pytest.mark.cloud

DOCUMENT = Path(__file__).parents[4] / "docs" / "costs.md"


@pytest.fixture
async def stage(cosmos_server: CosmosServer, blob_server: BlobServer) -> AsyncIterator[CostStage]:
    if importlib.util.find_spec("proton") is None:
        without("python-qpid-proton is not installed (`make test` installs it)")
    async with opened(cosmos_server, blob_server) as stage:
        yield stage


def assert_stated(costs: Costs) -> None:
    """Every figure stands in the document as it was counted just now, and what is reckoned
    from it within 5 %: names that get a digit more make documents longer."""
    stated = DOCUMENT.read_text().splitlines()
    counted, reckoned = rows(costs)
    for row in counted:
        assert row in stated, f"docs/costs.md lacks:\n{row}"
    for row in reckoned:
        _, name, *figures, _ = row.split("|")
        same = [line.split("|")[2:-1] for line in stated if line.startswith(f"|{name}|")]
        assert len(same) == 2, f"docs/costs.md has not two rows of{name}"
        for now, then in zip(figures, same[1], strict=True):
            assert float(now) == pytest.approx(float(then), rel=0.05, abs=1), row


def counts(figures: Figures) -> dict[str, float]:
    return {name: count for name, count in figures.counts.items() if count}


def assert_same(few: Figures, many: Figures) -> None:
    assert counts(few) == counts(many)
    assert few.partitions == many.partitions
    # A number in a document may get a digit more.
    assert abs(few.largest - many.largest) <= 16


async def test_an_online_request_asks_nothing_of_azure(stage: CostStage) -> None:
    costs = await scenarios.online(stage)
    request = costs["online request"]
    assert counts(request) == {}
    assert (request.partitions, request.largest, request.dollars) == (0, 0, 0)
    assert counts(costs["route in use, read anew each second"]) == {"reads": 1}
    assert_stated(costs)


async def test_a_control_plane_write_is_two_transactions_one_message_and_two_of_the_audit_log(
    stage: CostStage,
) -> None:
    costs = await scenarios.online(stage)
    for name in (
        "PUT of an online endpoint",
        "PUT of an online deployment",
        "PATCH of an endpoint's traffic",
    ):
        write = counts(costs[name])
        assert (write["batches"], write["sends"], write["settlements"]) == (4, 1, 1), name
        # One of them asks who wants to be told.
        assert write.get("queries", 0) <= 2, name
    assert counts(costs["read of an endpoint's keys"]) == {"reads": 1, "batches": 1, "creates": 1}


async def test_counts_of_mirrored_requests_cost_the_same_however_many_they_are(
    stage: CostStage,
) -> None:
    costs = await scenarios.mirroring(stage)
    many = costs["counts of mirrored requests, every 5 s"]
    assert counts(costs[FEW + "mirrored requests"]) == counts(many)
    assert counts(many) == {"reads": 1, "batches": 1, "replaces": 1}
    assert_stated(costs)


async def test_an_idle_app_writes_and_sends_nothing(stage: CostStage) -> None:
    costs = await scenarios.idle(stage)
    found = {name for figures in costs.values() for name in counts(figures)}
    assert found == {"queries"}
    assert_stated(costs)


async def test_a_mini_batch_costs_the_same_whatever_the_jobs_size(stage: CostStage) -> None:
    costs = await scenarios.batch(stage)
    each = costs["mini-batch"]
    assert_same(costs[FEW + "mini-batches"], each)
    assert counts(each) == {
        **{"reads": 1, "batches": 2, "creates": 1, "replaces": 2},
        **{"sends": 1, "deliveries": 1, "settlements": 1},
        **{"gets": 1, "puts": 1},
    }
    assert each.partitions == 1
    assert each.largest < 1024
    assert_stated(costs)


async def test_documents_and_messages_are_those_of_units_not_of_mini_batches(
    stage: CostStage,
) -> None:
    costs = await scenarios.large_units(stage)
    unit = counts(costs["unit of four mini-batches"])
    assert (unit["reads"], unit["batches"], unit["sends"], unit["puts"]) == (1, 2, 1, 1)
    assert unit["gets"] == 4
    assert_stated(costs)


async def test_quick_mini_batches_share_messages_and_transactions_but_not_their_blobs(
    stage: CostStage,
) -> None:
    costs = await scenarios.quick_units(stage)
    bundle = counts(costs["bundle of sixteen quick mini-batches"])
    assert bundle == {
        **{"reads": 1, "batches": 2, "creates": 16, "replaces": 17},
        **{"sends": 1, "deliveries": 1, "settlements": 1},
        # The plan is read 32 mini-batches at a time.
        **{"gets": 16.5, "puts": 16},
    }
    assert_stated(costs)


async def test_a_dropped_file_costs_the_same_whatever_the_drops_size(stage: CostStage) -> None:
    costs = await scenarios.drops(stage)
    each = costs["file dropped among others"]
    assert_same(costs[FEW + "dropped files"], each)
    expected = {"reads": 1, "batches": 1, "creates": 1, "replaces": 1, "looks": 1}
    assert counts(each) == expected
    assert_stated(costs)


async def test_an_event_costs_its_document_its_delivery_and_two_messages(
    stage: CostStage,
) -> None:
    costs = await scenarios.events(stage)
    event = counts(costs["event for one subscription"])
    assert (event["sends"], event["deliveries"], event["creates"]) == (2, 2, 2)
    assert_stated(costs)
