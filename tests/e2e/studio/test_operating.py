"""What operators do in the studio while callers are answered."""

import contextlib
import json
import shlex
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.main import main
from cli.studio.server import StudioServer
from outside import serving
from outside.running_host import RunningHost
from tests.kit.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOST_ENVIRONMENT = {
    "ML_ENDPOINTS_LOG_TRAFFIC": "true",
    "ML_ENDPOINTS_DROP_QUIET_PERIOD": "3600",
}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "adds", "version": "1"},
    "paths": {
        "/score": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Asked"}}
                    }
                }
            }
        }
    },
    "components": {
        "schemas": {
            "Asked": {
                "type": "object",
                "properties": {
                    "data": {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": "number"}},
                    },
                    "name": {"type": "string", "title": "<i>Name</i>"},
                },
                "example": {"data": [[1, 2]], "name": "first"},
            }
        }
    },
}
SCORES = """
import json


def init():
    pass


def run(data):
    asked = json.loads(data)
    return {"sums": [sum(row) for row in asked["data"]], "of": asked["name"]}
"""
BODY = {"data": [[1, 2]], "name": "caller"}


@pytest.fixture(scope="module")
def sums(host: RunningHost) -> str:
    """An endpoint with two deployments, of which blue has the traffic."""
    files = {"score.py": SCORES, "swagger3.json": json.dumps(DOCUMENT)}
    code = serving.codes(host, "sums", files)
    serving.endpoint(host, "sums")
    for name in ("blue", "green"):
        serving.deploy(host, f"sums/{name}", code)
    serving.traffic(host, "sums", blue=100)
    return "sums"


@contextmanager
def callers(host: RunningHost, endpoint: str) -> Iterator[list[int]]:
    """Two that never pause; the statuses that they were answered with."""
    over, statuses = threading.Event(), list[int]()

    def call() -> None:
        with serving.caller(host, endpoint) as client:
            while not over.is_set():
                statuses.append(client.post("", json=BODY).status_code)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_traffic_moves_in_guarded_steps_and_back_by_one_key_while_callers_are_answered(
    host: RunningHost, sums: str, studio: StudioServer, page: "Page"
) -> None:
    with callers(host, sums) as statuses:
        page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{sums}")
        page.get_by_role("button", name="Guarded rollout").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Deployment that gains traffic").select_option("green")
        dialog.get_by_label("Its share in each step, in percent").fill("50, 100")
        dialog.get_by_label("A step takes, in minutes").fill("0.02")
        dialog.get_by_label("Errors up to, in percent").fill("10")
        dialog.get_by_label("Judged from so many requests on").fill("5")
        dialog.get_by_role("button", name="Begin").click()
        dialog.wait_for(state="detached")
        steps = page.get_by_role("list", name="Steps of the rollout")
        steps.get_by_role("listitem").first.get_by_text("kept its limits").first.wait_for()
        page.get_by_text("Every step kept its limits.").wait_for()
        page.get_by_role("button", name="Roll back").click()
        dialog.get_by_role("button", name="Roll back").click()
        dialog.wait_for(state="detached")
        page.get_by_text("blue 100 %").first.wait_for()
        asked = len(statuses)
        until(lambda: len(statuses) > asked + 10)
    assert set(statuses) == {200}
    assert host.workspace.get(f"onlineEndpoints/{sums}")["properties"]["traffic"]["blue"] == 100


def test_what_goes_on_stands_on_the_first_page(
    host: RunningHost, sums: str, studio: StudioServer, page: "Page"
) -> None:
    with callers(host, sums):
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=sums))
        row.get_by_text("blue 100 %").wait_for()
        requests = row.get_by_role("cell").nth(4)
        until(lambda: requests.inner_text() != "0")


def test_a_request_is_filled_in_by_the_models_own_schema_and_kept(
    host: RunningHost, sums: str, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{sums}?tab=test")
    page.get_by_label("1, row 1").fill("41")
    page.get_by_role("button", name="One more row").click()
    page.get_by_label("0, row 2").fill("7")
    page.get_by_label("<i>Name</i>").fill("second")
    page.get_by_role("button", name="Send").click()
    page.get_by_text('"of": "second"').wait_for()
    assert "42" in page.get_by_role("tabpanel").locator("pre").inner_text()
    page.get_by_label("Save as").fill("two rows")
    page.get_by_role("button", name="Save").click()
    page.reload()
    page.get_by_label("Saved").select_option("two rows")
    assert page.get_by_label("0, row 2").input_value() == "7"


def test_mirrored_answers_are_compared_with_the_live_ones(
    host: RunningHost, sums: str, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{sums}")
    page.get_by_role("button", name="Change traffic").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Mirror: copies of requests").click()
    dialog.get_by_label("Copies go to").select_option("green")
    dialog.get_by_label("Of so many requests, in percent").fill("50")
    dialog.get_by_text("The same in a terminal").click()
    dialog.get_by_text("mle traffic sums blue=100 green=0 --mirror green=50").wait_for()
    dialog.get_by_role("button", name="Move the traffic").click()
    dialog.wait_for(state="detached")
    with callers(host, sums):
        page.get_by_text("100 % of the answers agree").wait_for()
    page.get_by_role("heading", name="green in the shadow of blue").wait_for()


def test_who_asked_and_who_changed_what_is_found_again(
    host: RunningHost, sums: str, studio: StudioServer, page: "Page"
) -> None:
    with serving.caller(host, sums) as client:
        assert client.post("", json=["misfit"]).status_code == 424
    origin = studio.doorkeeper.origins[0]
    page.goto(f"{origin}/studio/online/{sums}?tab=requests&status=424")
    page.get_by_role("cell", name="424").first.wait_for()
    page.get_by_role("region", name="requests").locator("tbody a").last.click()
    page.get_by_text("What was printed while request").wait_for()
    page.get_by_label("Log", exact=True).get_by_text("TypeError").first.wait_for()
    page.go_back()
    page.get_by_role("tab", name="Metrics").click()
    changes = page.get_by_role("region", name="What was changed meanwhile")
    changes.get_by_text("onlineEndpoints/sums/deployments/blue").first.wait_for()
    page.get_by_role("tab", name="Activity").click()
    page.get_by_role("cell", name="onlineEndpoints/sums/deployments/blue").first.wait_for()


def test_what_was_spent_stands_beside_what_may_be(
    host: RunningHost, sums: str, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/costs")
    page.get_by_role("link", name=sums).wait_for()
    page.get_by_text("These are a sample's prices").wait_for()
    page.get_by_role("button", name="New budget").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("team")
    dialog.get_by_label("Amount").fill("20")
    dialog.get_by_role("button", name="Create").click()
    page.get_by_text("of $20.00").wait_for()
    assert host.workspace.get("budgets/team")["properties"]["amount"] == 20


def test_prices_are_set_where_costs_are_read(
    host: RunningHost, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/costs")
    page.get_by_text("These are a sample's prices").wait_for()
    page.get_by_role("button", name="Prices").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Currency").fill("EUR")
    dialog.get_by_label("Instance types, an hour").fill("Standard_DS3_v2 = cheap")
    dialog.get_by_role("button", name="Set them").click()
    dialog.locator("[aria-invalid]").wait_for()
    dialog.get_by_label("Instance types, an hour").fill("Standard_DS3_v2 = 0.5\n\nown=0.25")
    dialog.get_by_role("button", name="Set them").click()
    dialog.wait_for(state="detached")
    page.get_by_text("These are a sample's prices").wait_for(state="detached")
    sheet = host.workspace.get("priceSheets/default")["properties"]
    assert (sheet["currency"], sheet["isSample"]) == ("EUR", False)
    assert sheet["instanceTypes"] == {"Standard_DS3_v2": 0.5, "own": 0.25}
    host.workspace.call("DELETE", "priceSheets/default")


def test_an_alert_is_made_seen_to_fire_changed_and_deleted(
    host: RunningHost,
    sums: str,
    studio: StudioServer,
    page: "Page",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/alerts")
    page.get_by_text("No alert yet").wait_for()
    page.get_by_role("button", name="New alert").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("idle")
    dialog.get_by_label("Of", exact=True).select_option(label=sums)
    dialog.get_by_label("Figure").select_option("RequestsPerMinute")
    dialog.get_by_label("Fires when it").select_option(label="is below")
    dialog.get_by_label("Threshold").fill("1000000")
    dialog.get_by_text("The same in a terminal").click()
    told = dialog.locator("pre").inner_text()
    dialog.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="idle").wait_for()
    fired = page.get_by_role("region", name="what has fired")
    fired.get_by_role("link", name=sums).wait_for()
    page.get_by_text("Unhealthy").first.wait_for()
    made = host.workspace.get("metricAlerts/idle")["properties"]
    page.get_by_role("button", name="Change").click()
    dialog.get_by_label("Threshold").fill("0")
    dialog.get_by_role("button", name="Change").click()
    dialog.wait_for(state="detached")
    page.get_by_text("Nothing has.").wait_for()
    page.get_by_role("button", name="Switch it off", exact=True).click()
    page.get_by_role("button", name="Switch it on", exact=True).wait_for()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_text("No alert yet").wait_for()
    # What the dialog told a terminal makes the same rule.
    monkeypatch.setenv("MLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("MLE_CONNECTION", str(host.connection_file))
    program, *words = shlex.split(told)
    assert (program, main(words)) == ("mle", 0)
    again = host.workspace.get("metricAlerts/idle")["properties"]
    for name in ("scopes", "criteria", "windowSize", "evaluationFrequency", "severity"):
        assert again[name] == made[name]
    host.workspace.call("DELETE", "metricAlerts/idle")


def test_events_of_others_and_their_jobs_stand_by_their_mapping(
    host: RunningHost, studio: StudioServer, page: "Page"
) -> None:
    host.workspace.mutate("PUT", "batchEndpoints/taken", {"properties": {}})
    job = {"inputData": {"in": {"jobInputType": "UriFolder", "uri": "{{data.url}}"}}}
    host.workspace.call(
        "PUT", "eventMappings/arrivals", {"properties": {"endpointName": "taken", "job": job}}
    )
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/eventMappings")
    page.get_by_role("link", name="arrivals").click()
    page.get_by_text("None has come.").wait_for()
    page.get_by_role("button", name="Ask for the keys").click()
    page.get_by_role("button", name="Show").first.click()
    keys = host.workspace.call("POST", "eventMappings/arrivals/listKeys", {}).json()
    page.get_by_text(keys["primaryKey"]).wait_for()
    uri = host.workspace.get("eventMappings/arrivals")["properties"]["eventsUri"]
    event = {
        **{"id": "1", "topic": "/lake", "subject": "a", "eventType": "Made"},
        "data": {"url": "azureml:none:1"},
    }
    with host.client() as stranger:
        posted = stranger.post(f"{uri}?code={keys['primaryKey']}", json=[event])
    assert posted.status_code == 202
    # There is no deployment yet to run it on: it waits for one, and what the host says is shown.
    events = page.get_by_role("region", name="events")
    events.get_by_text("has no default deployment").wait_for()
    events.get_by_text("Accepted").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("None yet").wait_for()


def test_messages_that_queues_put_aside_are_read_replayed_and_deleted(
    host: RunningHost, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/queues")
    page.get_by_text("No queue has put anything aside").wait_for()
    message = ("batch-jobs", b'{"job":"<b>gone</b>","tick":0}', '{"message_id":"1","schema":"1.0"}')
    with contextlib.closing(sqlite3.connect(host.data_dir / "queues.db")) as queues, queues:
        for number in (1, 2):
            queues.execute(
                "INSERT INTO dead_letters (sequence_number, queue, body, properties, enqueued_at,"
                " delivery_count, reason, description, dead_lettered_at)"
                " VALUES (?, ?, ?, ?, 1, 5, 'MaxDeliveryCountExceeded', 'ValueError: no', 2)",
                (number, *message),
            )
    page.reload()
    letters = page.get_by_role("region", name="dead letters")
    letters.get_by_text("ValueError: no").first.click()
    letters.get_by_text('"job": "<b>gone</b>"').first.wait_for()
    letters.get_by_role("button", name="Delete").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    dialog.wait_for(state="detached")
    page.get_by_role("button", name="Replay all").click()
    dialog.get_by_text("The same in a terminal").click()
    dialog.get_by_text("mle dead-letter replay --queue batch-jobs --all").wait_for()
    dialog.get_by_role("button", name="Replay").click()
    page.get_by_text("No queue has put anything aside").wait_for()


def test_a_deployment_goes_back_to_what_it_was(
    host: RunningHost,
    sums: str,
    studio: StudioServer,
    page: "Page",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = f"onlineEndpoints/{sums}/deployments/green"
    host.workspace.mutate("PATCH", path, {"properties": {"description": "<b>another</b>"}})
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/{sums}/green?tab=revisions")
    differ = page.get_by_role("region", name="Differences")
    differ.get_by_role("cell", name="<b>another</b>").wait_for()
    page.get_by_role("button", name="Go back to revision 1").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("The same in a terminal").click()
    told = dialog.locator("figure.code pre").inner_text()
    dialog.get_by_role("button", name="Try it").click()
    tried = dialog.get_by_role("status", name="What would change")
    tried.get_by_text("<b>another</b>").wait_for()
    dialog.get_by_role("button", name="Go back").click()
    dialog.wait_for(state="detached")
    assert host.workspace.get(path)["properties"]["description"] is None
    # What the dialog told a terminal does the same.
    host.workspace.mutate("PATCH", path, {"properties": {"description": "a third"}})
    monkeypatch.setenv("MLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("MLE_CONNECTION", str(host.connection_file))
    program, *words = shlex.split(told)
    assert (program, main(words)) == ("mle", 0)
    assert host.workspace.get(path)["properties"]["description"] is None
    listed = host.workspace.get(f"{path}/revisions")["value"]
    assert len(listed) == 5


def test_what_was_dropped_is_seen_before_it_is_a_job(
    host: RunningHost, studio: StudioServer, page: "Page"
) -> None:
    origin = studio.doorkeeper.origins[0]
    page.goto(f"{origin}/studio/drops")
    page.get_by_text("Nothing waits to become a job").wait_for()
    host.workspace.mutate("PUT", "batchEndpoints/fed", {"properties": {}})
    folder = host.inbox / "fed" / "<b>monday</b>"
    folder.mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("1\n")
    page.get_by_role("link", name="fed").click()
    page.get_by_text("2, 4 B").wait_for()
    page.get_by_text("no deployment yet").wait_for()
    page.get_by_text("fed/<b>monday</b>/b.csv").wait_for()
    page.get_by_role("link", name="To the endpoint").click()
    page.get_by_text("2 files (4 B) have been dropped").wait_for()


def test_what_uses_a_version_is_told_and_leads_there(
    sums: str, studio: StudioServer, page: "Page"
) -> None:
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/codes/sums")
    page.get_by_role("region", name="lineage", exact=True).last.wait_for()
    page.get_by_role("link", name="sums/green").click()
    page.get_by_role("heading", name="green").wait_for()


def test_a_schedule_is_run_by_hand_and_switched_off(
    host: RunningHost, studio: StudioServer, page: "Page"
) -> None:
    host.workspace.mutate("PUT", "batchEndpoints/clocked", {"properties": {}})
    job = {"inputData": {"in": {"jobInputType": "UriFolder", "uri": "azureml:none:1"}}}
    invocation = {"endpointName": "clocked", "properties": job}
    action = {"actionType": "InvokeBatchEndpoint", "endpointInvocationDefinition": invocation}
    trigger = {"triggerType": "Cron", "expression": "0 3 * * *"}
    body = {"properties": {"trigger": trigger, "action": action}}
    host.workspace.call("PUT", "schedules/nightly", body)
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/schedules/nightly")
    # There is no deployment to run it on: what the host says of that is shown.
    page.get_by_role("button", name="Run it now", exact=True).click()
    page.get_by_role("alert").wait_for()
    page.get_by_role("button", name="Switch it off, in a terminal").click()
    page.get_by_text("mle schedule disable -n nightly").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Switch it off", exact=True).click()
    page.get_by_text("Disabled").first.wait_for()
    assert host.workspace.get("schedules/nightly")["properties"]["isEnabled"] is False
