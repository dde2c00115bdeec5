"""Scoring requests of deployments with appInsightsEnabled, as telemetry is told of them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ports.records.traffic_records import COLUMNS
from infra.telemetry.request_telling import LOGGER
from tests.kit.scorers import says
from tests.kit.stages.gateway_stage import opened


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    logging.getLogger(LOGGER).addHandler(told)
    yield told
    logging.getLogger(LOGGER).removeHandler(told)


async def test_requests_of_deployments_that_ask_for_it_are_told(tmp_path: Path, told: Told) -> None:
    async with opened(tmp_path, hosts=1) as gateways:
        await gateways.iris("quiet")
        await gateways.put_deployment("told", appInsightsEnabled=True)
        await gateways.patch(traffic={"quiet": 100})
        gateways.scorer.script = lambda instance, request: says(500, b"{}")
        await gateways.one.score(x_request_id="r1")
        await gateways.one.score(x_request_id="r2", azureml_model_deployment="told")
    [record] = told.records
    assert record.levelno == logging.WARNING
    assert record.__dict__["XRequestId"] == "r2"
    assert record.__dict__["DeploymentName"] == "told"
    assert record.__dict__["ResponseCode"] == 424
    assert record.__dict__["ModelStatusCode"] == 500
    assert record.__dict__["AzureMLWorkspaceId"].endswith("/workspaces/workspace")
    assert set(COLUMNS) - {"TimeGenerated"} <= record.__dict__.keys(), "as they are asked for"
