"""How often Azure Resource Manager is asked, against docs/costs.md, and within its limits."""

from pathlib import Path

import pytest

from tests.infra.compute.container_apps.arm_costs import Row, at_rest, burst, deployed, step
from tests.kit.apps.scripted_apps import scripted_apps, standing_in

COSTS = (Path(__file__).parents[4] / "docs" / "costs.md").read_text()


async def test_the_page_of_costs_says_how_often_the_platform_is_asked() -> None:
    with standing_in() as stand:
        async with scripted_apps(*stand) as apps:
            await deployed(apps, 100)
            rest = Row("an hour at rest, 100 deployments", await at_rest(apps))
            first = Row("a deployment of one instance", await step(apps, apps.group(), 1))
    assert rest.text in COSTS
    assert first.text in COSTS


@pytest.mark.parametrize("count", [100, 1000])
def test_a_thousand_instances_at_once_stay_below_a_subscription_s_limits(count: int) -> None:
    seconds, refused = burst(count)
    assert refused == 0
    assert f"| {count:,} | {seconds:.0f} |" in COSTS
