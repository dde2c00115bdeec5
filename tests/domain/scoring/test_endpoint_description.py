"""One API document for an endpoint, out of its deployments' own."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from domain.ports import Instance, ScoringRequest, ScoringResponse
from domain.scoring.endpoint_description import describe, merge
from domain.scoring.online_routing import RouteTable
from domain.scoring.scoring_exchange import Answer, Call
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from runtime.online.schema import Documents
from tests.kit.clocks import HeldClock
from tests.kit.computes import StaticServing, known
from tests.kit.scorers import ScriptedScorer, says
from tests.kit.stages.scoring_stage import PRIMARY, Endpoints, scoring_on
from tests.kit.waiting import PATIENCE

URL = "https://host/endpoints/iris"
NUMBER, TEXT = {"type": "number"}, {"type": "string"}


def _run(raw: str) -> str:
    return raw


def _document(version: str, title: str, taken: Any) -> dict[str, Any]:
    """What our inference server tells, with another input."""
    document: dict[str, Any] = json.loads(Documents(_run, "/nowhere", title).get(version))
    schemas = document.get("definitions") or document["components"]["schemas"]
    schemas["ServiceInput"] = taken
    return document


@pytest.mark.parametrize("version", ["3", "3.1"])
def test_schemas_that_differ_are_alternatives(version: str) -> None:
    of = {
        "blue": _document(version, "blue", NUMBER),
        "green": _document(version, "green", TEXT),
        "grey": _document(version, "grey", NUMBER),
    }
    merged = merge(of, "iris", URL)
    schemas = merged["components"]["schemas"]
    assert schemas["ServiceInput"] == {
        "oneOf": [{"title": "blue", **NUMBER}, {"title": "green", **TEXT}]
    }
    assert schemas["ServiceOutput"] == of["blue"]["components"]["schemas"]["ServiceOutput"]
    assert merged["servers"] == [{"url": URL}]
    assert merged["info"]["title"] == "iris"
    assert of["blue"]["info"]["title"] == "blue"
    validate(merged)


def test_swagger_2_keeps_the_busiest_and_says_who_differs() -> None:
    of = {"blue": _document("2", "blue", NUMBER), "green": _document("2", "green", TEXT)}
    merged = merge(of, "iris", URL)
    assert merged["definitions"]["ServiceInput"] == NUMBER
    assert "The schemas are blue's; these differ: green." in merged["info"]["description"]
    assert (merged["host"], merged["basePath"]) == ("host", "/endpoints/iris")
    assert merged["schemes"] == ["https"]
    validate(merged)


@pytest.mark.parametrize(
    "own", [{"openapi": "3.0.3"}, {"openapi": "3.0.3", "components": []}, {"swagger": "2.0"}]
)
def test_documents_of_users_own_form_are_not_harmed(own: dict[str, Any]) -> None:
    merged = merge({"blue": own, "green": _document("3", "green", TEXT)}, "iris", URL)
    assert merged.items() >= own.items()


class Stage:
    """`iris`, whose instances tell the documents in `told`, by deployment."""

    def __init__(self, store: SqliteResourceStore) -> None:
        self.told: dict[str, bytes] = {}
        self.compute = StaticServing()
        self.scorer = ScriptedScorer(self._tell)
        self.endpoints = Endpoints(store)
        routes = RouteTable(store, HeldClock(), read_limit=PATIENCE, refresh=known)
        self.scoring = scoring_on(routes, self.compute, self.scorer)

    async def put(self, **traffic: int) -> None:
        await self.endpoints.put("iris", traffic)
        for name in traffic:
            await self.endpoints.put_deployment("iris", name)
            self.compute.start("iris", name)

    def _tell(self, instance: Instance, request: ScoringRequest) -> ScoringResponse:
        deployment = next(name for name in self.told if name in str(instance))
        body = self.told[deployment]
        return says(200 if body else 404, body, [("content-type", "application/json")])

    async def ask(self, *headers: tuple[str, str], key: str = PRIMARY) -> Answer:
        sent = [("authorization", f"Bearer {key}"), *headers]
        body: Any = None  # nothing is read of a GET
        call = Call("iris", "GET", "/swagger.json", "version=3", sent, body)
        return await describe(self.scoring, call, URL)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    yield Stage(store)
    await store.close()


def _schema(answer: Answer) -> Any:
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)["components"]["schemas"]["ServiceInput"]


async def test_deployments_with_traffic_are_merged(stage: Stage) -> None:
    await stage.put(blue=30, green=70, grey=0)
    for name, taken in (("blue", NUMBER), ("green", TEXT), ("grey", {"type": "boolean"})):
        stage.told[name] = json.dumps(_document("3", name, taken)).encode()
    answer = await stage.ask()
    assert answer.status == 200
    assert [option["title"] for option in _schema(answer)["oneOf"]] == ["green", "blue"]
    names = [name for name, _ in answer.headers]
    assert "azureml-model-deployment" not in names
    assert {asked[1].query for asked in stage.scorer.asked} == {"version=3"}


async def test_a_named_deployment_tells_its_own(stage: Stage) -> None:
    await stage.put(blue=50, green=50)
    for name, taken in (("blue", NUMBER), ("green", TEXT)):
        stage.told[name] = json.dumps(_document("3", name, taken)).encode()
    answer = await stage.ask(("azureml-model-deployment", "green"))
    assert answer.body == stage.told["green"]


async def test_a_deployment_without_a_document_is_left_out(stage: Stage) -> None:
    await stage.put(blue=50, green=49, grey=1)
    stage.told = {
        "blue": json.dumps(_document("3", "blue", NUMBER)).encode(),
        "green": b"",
        "grey": b"not JSON",
    }
    assert _schema(await stage.ask()) == NUMBER


async def test_what_is_no_document_passes_as_it_is(stage: Stage) -> None:
    await stage.put(blue=100)
    stage.told = {"blue": b"[1]"}
    assert (await stage.ask()).body == b"[1]"


async def test_a_wrong_key_learns_nothing(stage: Stage) -> None:
    await stage.put(blue=100)
    answer = await stage.ask(key="wrong")
    assert (answer.status, stage.scorer.asked) == (401, [])
