"""What people make in the studio without a terminal, from files of their own machine."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.documents.faults import Faults
from cli.documents.yaml_file import read_document
from cli.kinds.deployments import BATCH_DEPLOYMENT, ONLINE_DEPLOYMENT
from cli.kinds.events import EVENT_MAPPING
from cli.kinds.schedules import SCHEDULE
from cli.kinds.types import Record
from cli.main import SHORT, command_module
from cli.studio.server import StudioServer
from cli.verbs import parse
from outside.running_host import RunningHost
from tests.kit.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SCORES = """
import json
import os


def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "factor.json")) as file:
        factor = json.load(file)


def run(data):
    return {"times": factor * sum(json.loads(data)["data"])}
"""
LINES = """
import os


def init():
    pass


def run(mini_batch):
    for path in mini_batch:
        with open(path) as file:
            if file.read() == "bad" and not os.path.exists(os.environ["MENDED"]):
                raise ValueError(f"<b>{os.path.basename(path)}</b> is a bad file")
    return [f"seen {os.path.basename(path)}" for path in mini_batch]
"""
CONDA = "name: bare\ndependencies:\n  - python=3.11\n"
UPLOAD = "Upload a file or a folder…"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, and code for online and batch."""
    for name, files in {
        "model": {"factor.json": "3"},
        "online": {"score.py": SCORES},
        "batch": {"score.py": LINES, ".git/config": "left out"},
        "files": {"a.txt": "good", "b.txt": "bad", "c.txt": "good"},
    }.items():
        for path, text in files.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return tmp_path


def shown(page: "Page", text: str) -> None:
    page.get_by_text(text).first.wait_for()


def upload(dialog: "Locator", what: str, folder: Path, name: str) -> None:
    dialog.get_by_label(what, exact=True).select_option(label=UPLOAD)
    dialog.get_by_label(f"{what}: a folder").set_input_files(folder)
    dialog.get_by_label(f"{what}: registered as").fill(name)


def write_environment(dialog: "Locator", name: str) -> None:
    conda = "A new one, from a conda file…"
    dialog.get_by_label("Environment", exact=True).select_option(label=conda)
    dialog.get_by_label("Conda file").fill(CONDA)
    dialog.get_by_label("Environment: registered as").fill(name)


def is_taken(dialog: "Locator", record: Record, beside: Path) -> None:
    """Whether `mle` takes the YAML that a dialog shows, in the folder where its files lie."""
    file = beside / "shown.yml"
    file.write_text(dialog.locator("figure.code pre").first.inner_text())
    document = read_document(file)
    faults = Faults(document)
    record.read(document.value, (), faults)
    assert faults.found == []


def is_known(dialog: "Locator") -> None:
    """Whether `mle` has the commands that a dialog shows, with their flags."""
    shown = dialog.locator("figure.code pre").last.inner_text()
    for line in shown.replace("\\\n", " ").splitlines():
        program, name, *rest = shlex.split(line)
        assert program == "mle"
        module = command_module(name)
        if name in SHORT:
            parse(f"mle {name}", module.VERBS[name], rest)
        else:
            parse(f"mle {name} {rest[0]}", module.GROUP.verbs[rest[0]], rest[1:])


def done(page: "Page") -> None:
    page.get_by_role("dialog").wait_for(state="detached")


def test_a_model_is_deployed_from_files_of_this_machine_and_answers(
    host: RunningHost, studio: StudioServer, page: "Page", folder: Path
) -> None:
    page.get_by_role("button", name="New online endpoint").first.click()
    page.get_by_label("Name").fill("made-here")
    shown(page, "The same in a terminal")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="made-here").wait_for()

    page.get_by_role("button", name="New deployment").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("first")
    upload(dialog, "Model", folder / "model", "factor")
    upload(dialog, "Code", folder / "online", "times")
    write_environment(dialog, "studio-bare")
    dialog.get_by_text("Requests", exact=True).click()
    dialog.get_by_label("Answered within, in seconds").first.fill("100000")
    dialog.get_by_text("Readiness probe").click()
    dialog.get_by_label("First after, in seconds").first.fill("1")
    is_taken(dialog, ONLINE_DEPLOYMENT, folder)
    is_known(dialog)
    dialog.get_by_role("button", name="Deploy", exact=True).click()

    # What the host says stands at the field that it is about.
    late = dialog.get_by_label("Answered within, in seconds").first
    until(lambda: late.get_attribute("aria-invalid") == "true")
    shown(page, "the host refuses it; why stands at the fields")
    late.fill("60")
    # What was brought along is registered by now, and is not brought again.
    model = dialog.get_by_label("Model", exact=True).locator("option:checked")
    until(lambda: model.inner_text() == "factor:1")
    dialog.get_by_role("button", name="Deploy", exact=True).click()
    done(page)
    shown(page, "first 100 %")

    page.get_by_role("tab", name="Test").click()
    page.get_by_label("Request", exact=True).fill('{"data": [4, 10]}')
    page.get_by_role("button", name="Send").click()
    shown(page, '"times": 42')
    made = host.workspace.get("onlineEndpoints/made-here/deployments/first")["properties"]
    assert made["requestSettings"]["requestTimeout"] == "PT1M"
    assert made["readinessProbe"]["initialDelay"] == "PT1S"

    page.goto(f"{studio.doorkeeper.origins[0]}/studio/online/made-here/first")
    page.get_by_role("button", name="Change settings").click()
    dialog.get_by_text("Environment variables", exact=True).click()
    dialog.get_by_label("Variables", exact=True).fill("GREETING=hello")
    dialog.get_by_role("button", name="Change it").click()
    done(page)
    page.get_by_role("tab", name="Settings").click()
    shown(page, "GREETING")


def test_files_are_scored_watched_and_those_that_failed_tried_again(
    host: RunningHost, page: "Page", folder: Path
) -> None:
    page.get_by_role("button", name="New batch endpoint").first.click()
    page.get_by_label("Name").fill("lines")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="lines").wait_for()
    page.get_by_role("button", name="New deployment").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("only")
    upload(dialog, "Code", folder / "batch", "lines")
    dialog.get_by_label("Environment", exact=True).select_option(label="bare:1")
    dialog.get_by_label("Files a mini-batch").fill("1")
    dialog.get_by_text("Environment variables", exact=True).click()
    mended = host.meeting / "mended"
    dialog.get_by_label("Variables", exact=True).fill(f"MENDED={mended}")
    is_taken(dialog, BATCH_DEPLOYMENT, folder)
    is_known(dialog)
    dialog.get_by_role("button", name="Deploy", exact=True).click()
    done(page)

    page.get_by_role("button", name="Invoke").click()
    upload(dialog, "Data", folder / "files", "dropped")
    dialog.get_by_text("In place of what the deployment says").click()
    dialog.get_by_label("A mini-batch has").fill("2")
    is_known(dialog)
    dialog.get_by_label("A mini-batch has").fill("1")
    dialog.get_by_label("Tries after the first").fill("0")
    dialog.get_by_role("button", name="Invoke").click()
    shown(page, "Completed")
    page.get_by_text("up to 1 (1 instances of 1)").wait_for()
    page.get_by_text("Log of its workers").click()
    page.get_by_label("Log", exact=True).get_by_text("is a bad file").first.wait_for()
    page.get_by_role("button", name="Which, and why").click()
    page.get_by_text("<b>b.txt</b> is a bad file").first.click()
    page.get_by_role("button", name="First rows").click()
    page.get_by_role("cell", name="seen c.txt").wait_for()

    # The next one is reckoned by how this one went.
    page.get_by_role("link", name="lines", exact=True).first.click()
    page.get_by_role("button", name="Invoke").click()
    dialog.get_by_text("By its last jobs that completed (1)").wait_for()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="only").click()
    page.get_by_role("heading", name="only").wait_for()
    page.get_by_role("tab", name="Revisions").click()
    page.get_by_text("It has not been changed yet").wait_for()
    for _ in range(2):
        page.go_back()
    shown(page, "Completed")

    before = page.url
    mended.touch()
    page.get_by_role("button", name="Retry what failed").click()
    dialog.get_by_role("button", name="Retry", exact=True).click()
    page.wait_for_url(lambda url: url != before)
    shown(page, "Completed")
    page.get_by_role("button", name="First rows").click()
    page.get_by_role("cell", name="seen b.txt").wait_for()


def test_models_and_schedules_are_made_where_they_are_listed(
    host: RunningHost, studio: StudioServer, page: "Page", folder: Path
) -> None:
    origin = studio.doorkeeper.origins[0]
    page.goto(f"{origin}/studio/models")
    page.get_by_role("button", name="Register a model").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("alone")
    dialog.get_by_label("Files: one file").set_input_files(folder / "model" / "factor.json")
    dialog.get_by_role("button", name="Register").click()
    page.get_by_role("heading", name="alone").wait_for()
    made = host.workspace.get("models/alone/versions/1")["properties"]
    assert made["modelUri"].endswith("/factor.json")

    host.workspace.mutate("PUT", "batchEndpoints/nightly", {"properties": {}})
    page.goto(f"{origin}/studio/schedules")
    page.get_by_role("button", name="New schedule").click()
    dialog.get_by_label("Name", exact=True).fill("every-night")
    dialog.get_by_label("Batch endpoint").select_option("nightly")
    dialog.get_by_label("Cron expression").fill("at three")
    dialog.get_by_label("Data", exact=True).select_option(label="A place of your own…")
    dialog.get_by_label("Address").fill("azureml://datastores/workspaceblobstore/paths/in/")
    dialog.get_by_role("button", name="Create").click()
    wrong = dialog.get_by_label("Cron expression")
    until(lambda: wrong.get_attribute("aria-invalid") == "true")
    wrong.fill("0 3 * * *")
    is_taken(dialog, SCHEDULE, folder)
    is_known(dialog)
    dialog.get_by_role("button", name="Create").click()
    done(page)
    page.get_by_role("link", name="every-night").wait_for()
    trigger = host.workspace.get("schedules/every-night")["properties"]["trigger"]
    assert trigger["expression"] == "0 3 * * *"


def test_an_event_mapping_is_tried_made_and_changed(
    host: RunningHost, studio: StudioServer, page: "Page", folder: Path
) -> None:
    host.workspace.mutate("PUT", "batchEndpoints/fed", {"properties": {}})
    page.goto(f"{studio.doorkeeper.origins[0]}/studio/eventMappings")
    page.get_by_role("button", name="New event mapping").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("lake")
    dialog.get_by_label("Batch endpoint").select_option("fed")
    dialog.get_by_label("Data").fill("{{data.{{url}}")
    dialog.get_by_role("button", name="Try it").click()
    data = dialog.get_by_label("Data")
    until(lambda: data.get_attribute("aria-invalid") == "true")
    data.fill("{{data.url}}")
    is_taken(dialog, EVENT_MAPPING, folder)
    is_known(dialog)
    dialog.get_by_role("button", name="Try it").click()
    tried = dialog.get_by_role("status", name="What would change")
    tried.get_by_text("eventMappings/lake").wait_for()
    listed = host.workspace.get("eventMappings")["value"]
    assert [each["name"] for each in listed] == []
    dialog.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="lake").wait_for()

    page.get_by_role("button", name="Change").click()
    dialog.get_by_text("Only events about").click()
    dialog.get_by_label("Subject ends with").fill(".csv")
    dialog.get_by_role("button", name="Change").click()
    done(page)
    made = host.workspace.get("eventMappings/lake")["properties"]
    assert made["filter"]["subjectEndsWith"] == ".csv"
    assert made["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobCreated"]
    assert made["job"]["inputData"]["input"]["uri"] == "{{data.url}}"
