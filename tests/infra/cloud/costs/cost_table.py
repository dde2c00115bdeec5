"""`python -m tests.infra.cloud.costs.cost_table`: the tables of docs/costs.md, counted anew."""

import asyncio
import sys
from collections.abc import Mapping

from tests.infra.cloud.costs.cost_figures import Figures
from tests.infra.cloud.costs.cost_scenarios import FEW, SCENARIOS
from tests.infra.cloud.costs.cost_stage import opened
from tests.servers.processes import BlobServer, CosmosServer


def rows(costs: Mapping[str, Figures]) -> tuple[list[str], list[str]]:
    """What was counted, and what is reckoned from it."""
    shown = {name: figures for name, figures in costs.items() if not name.startswith(FEW)}
    counted = [f"| {name} | {' | '.join(f.counted)} |" for name, f in shown.items()]
    reckoned = [f"| {name} | {' | '.join(f.reckoned)} |" for name, f in shown.items()]
    return counted, reckoned


async def _all(cosmos: CosmosServer, blob_server: BlobServer) -> dict[str, Figures]:
    costs: dict[str, Figures] = {}
    for scenario in SCENARIOS:
        async with opened(cosmos, blob_server) as stage:
            costs.update(await scenario(stage))
    return costs


def main() -> None:
    with CosmosServer() as cosmos, BlobServer() as blob_server:
        for table in rows(asyncio.run(_all(cosmos, blob_server))):
            sys.stdout.write("\n".join(table) + "\n\n")


if __name__ == "__main__":
    main()
