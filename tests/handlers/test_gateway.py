"""What a host has that serves scoring requests alone."""

from dataclasses import replace
from pathlib import Path

import azure.functions as func

from handlers import blueprints
from infra.embedded.host.functions import index
from tests.kit.stages.provisioning_stage import opened


async def test_a_gateway_scores_and_tells_whether_it_is_well_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as stage:
        triggers = replace(stage.application.triggers, scoring_alone=True)
        app = func.FunctionApp()
        for blueprint in blueprints(replace(stage.application, triggers=triggers)):
            app.register_functions(blueprint)
        found = index(app, {})
    assert {each.trigger_type for each in found} == {"httpTrigger"}
    names = {each.name for each in found}
    assert {"get_health", "get_readiness", "score_online_endpoint"} <= names
    scoring = {name for name in names if "online_endpoint" in name or name.startswith("score")}
    assert names - scoring == {"get_health", "get_readiness"}, names - scoring
