"""`mle` against a running host, as a person types it."""

import contextlib
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.host.arm import Arm
from cli.host.contexts import from_connection_file
from cli.host.deployment_steps import DeploymentSteps
from cli.main import main
from outside.running_host import RunningHost
from outside.waiting import until
from tests.kit.users.held_keyring import HeldKeyring


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


Mle = Callable[..., Typed]


@pytest.fixture
def mle(
    host: RunningHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Mle:
    """Types a command in a folder of its own, for the running host; whole words are operands."""
    monkeypatch.setenv("MLE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MLE_CONNECTION", str(host.data_dir / "connection.json"))
    monkeypatch.chdir(tmp_path)

    def typed(*words: str, stdin: bytes = b"") -> Typed:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        code = main(list(words))
        written = capsysbinary.readouterr()
        return Typed(code, written.out.decode(), written.err.decode())

    return typed


def test_a_project_goes_from_its_template_to_an_answer_and_is_changed_by_its_file(
    mle: Mle, tmp_path: Path
) -> None:
    assert mle("init", "script", "project", "--name", "sums").code == 0
    file = tmp_path / "project" / "endpoint.yaml"

    planned = mle("diff", "project", "--detailed-exitcode")
    assert planned.code == 2
    assert "+ online-endpoint sums" in planned.out
    assert mle("online-endpoint", "show", "-n", "sums").code == 3

    made = mle("deploy", "project")
    assert made.code == 0, made.err
    assert mle("invoke", "sums", "project/request.json").answer == {"sums": [6, 15]}
    assert mle("invoke", "sums/blue", '{"data": [[1]]}').answer == {"sums": [1]}
    assert mle("invoke", "sums", stdin=b'{"data": [[2]]}').answer == {"sums": [2]}
    assert mle("diff", "project", "--detailed-exitcode").code == 0
    assert "so already" in mle("deploy", "project").err

    file.write_text(file.read_text().replace("instance_count: 1", "instance_count: 2"))
    changed = mle("diff", "project", "-o", "json").answer
    fields = [change for item in changed for change in item["changes"]]
    assert fields == [{"field": "sku.capacity", "before": 1, "after": 2}]
    [comes] = [item["consequences"] for item in changed if item["changes"]]
    assert comes[0].endswith("those that go on are not restarted.")
    assert mle("deploy", "project").code == 0

    rows = mle("status", "sums", "-o", "json").answer
    assert [(row["name"].strip(), row["traffic"]) for row in rows] == [
        ("sums", None),
        ("blue", "100 %"),
    ]
    assert "ready to score" in mle("logs", "sums").out

    # By itself it begins with the month, which may be younger than what was asked.
    lately = ("--from", str(datetime.now(UTC).date() - timedelta(days=2)))
    rows = mle("cost", "sums", "--by", "deployment,meter", *lately, "-o", "json").answer
    used = {(row["deployment"], row["meter"]): row["quantity"] for row in rows}
    assert used["blue", "Requests"] == 3
    assert used["blue", "InstanceSeconds"] > 0
    lines = mle("cost", "sums", "--by", "month,tag:team", "-o", "csv").out.splitlines()
    assert lines[0] == "month,team,cost,idle_cost,currency"
    told = mle("cost", "sums", "--deployment", "blue", "--if-type", "Standard_F2s_v2")
    assert "0.1692" in told.out, told.err
    spent = mle("budget", "set", "-n", "sums", "--amount", "9", "--at", "50", "100").answer
    assert (spent["amount"], spent["passed"]) == (9.0, "")
    assert sorted(spent["notifications"]) == ["At100", "At50"]
    assert mle("budget", "delete", "-n", "sums", "--yes").code == 0
    watched = mle(
        *("alert", "set", "-n", "slow", "--endpoint", "sums", "--metric", "RequestLatency_P95"),
        *("--above", "500", "--each", "deployment", "--window", "15m"),
    ).answer
    assert watched["condition"] == (
        "Average RequestLatency_P95 GreaterThan 500 where deployment=*"
    ), watched
    assert (watched["window"], watched["scopes"]) == ("PT15M", ["onlineEndpoints/sums"])
    assert mle("alert", "status", "-n", "slow", "-o", "json").answer[0]["status"] == "Healthy"
    assert mle("alert", "set", "-n", "slow", "--metric", "Requests", "--above", "1").code != 0
    assert mle("alert", "delete", "-n", "slow", "--yes").code == 0
    assert mle("cost", "--by", "colour").code == 2
    told = mle("activity", "sums", "-o", "json").answer
    assert {"deployment_ready", "traffic_moved"} <= {each["action"] for each in told}
    begun = [each for each in told if each["action"] == "operation_begun"]
    assert begun
    assert all(each["caller"] for each in begun)

    text = file.read_text()
    file.write_text(
        text.replace("name: blue", "name: green").replace("{blue: 100}", "{green: 100}")
    )
    assert mle("deploy", "project", "--prune").code == 1
    assert mle("deploy", "project", "--prune", "--yes").code == 0
    listed = mle("online-deployment", "list", "-e", "sums", "--query", "[].name")
    assert listed.answer == ["green"]
    assert mle("online-endpoint", "delete", "-n", "sums", "--yes").code == 0


def test_a_rollout_is_waited_for_and_one_that_went_back_fails(mle: Mle, tmp_path: Path) -> None:
    assert mle("init", "script", "rolled", "--name", "rolled").code == 0
    assert mle("deploy", "rolled").code == 0
    none = mle("rollout", "rolled")
    assert (none.code, "has had no rollout" in none.err) == (1, True)
    file = tmp_path / "rolled" / "endpoint.yaml"
    second = file.read_text().replace("name: blue", "name: green").split("---")[1]
    steps = (
        "rollout:\n  steps: [{traffic: {green: 100}, duration: P1D}]\n  limits: {error_rate: 0.5}"
    )
    first = "traffic: {blue: 100}"
    file.write_text(f"{file.read_text().replace(first, steps)}---{second}")
    begun = mle("deploy", "rolled")
    assert begun.code == 0, begun.err
    assert mle("rollout", "rolled", "--query", "[state, step, steps]").answer == ["Running", 1, 1]
    assert mle("rollout", "rolled", "--wait", "--timeout", "0").code == 5
    assert mle("rollback", "rolled").answer == {"blue": 100}
    gone = mle("rollout", "rolled", "--wait")
    assert gone.code == 1
    assert "did not go through: RolledBack" in gone.err
    assert mle("online-endpoint", "delete", "-n", "rolled", "--yes").code == 0


def test_identities_and_their_roles_are_given_as_scripts_of_azure_s_have_it(
    mle: Mle, tmp_path: Path
) -> None:
    def az(*words: str) -> Typed:
        return mle("az-shim", "--", *words)

    made = az("identity", "create", "--name", "reading", "--tags", "a=b")
    assert made.code == 0, made.err
    assert made.answer["tags"] == {"a": "b"}
    by_name = ("identity", "list", "--query", "[?name=='reading'].principalId", "-o", "tsv")
    assert az(*by_name).out.strip() == made.answer["principalId"]
    (tmp_path / "endpoint.yml").write_text(
        "name: somebody\nauth_mode: key\nidentity:\n  type: user_assigned\n"
        "  user_assigned_identities:\n    - resource_id: to_be_set\n"
    )
    first = f"identity.user_assigned_identities[0].resource_id={made.answer['id']}"
    create = ("ml", "online-endpoint", "create", "-f", "endpoint.yml", "--set", first)
    endpoint = az(*create)
    assert endpoint.code == 0, endpoint.err
    [given] = endpoint.answer["identity"]["user_assigned_identities"]
    assert given["client_id"] == made.answer["clientId"]
    (tmp_path / "other.yml").write_text("name: itself\n")
    assert az("ml", "online-endpoint", "create", "-f", "other.yml").code == 0
    show = ("ml", "online-endpoint", "show", "-n", "itself", "-o", "tsv", "--query")
    principal = az(*show, "identity.principal_id").out.strip()

    scope = az("account", "show", "--query", "id", "-o", "tsv").out.strip()
    account = f"/subscriptions/{scope}/resourceGroups/local/providers/Microsoft.Storage"
    whom = ("--assignee-object-id", principal, "--assignee-principal-type", "ServicePrincipal")
    what = ("--role", "Storage Blob Data Reader", "--scope", f"{account}/storageAccounts/local")
    role = az("role", "assignment", "create", *whom, *what)
    assert role.code == 0, role.err
    assert role.answer["roleDefinitionName"] == "Storage Blob Data Reader"
    assert az("role", "assignment", "create", *whom, *what).answer == role.answer
    assert az("role", "assignment", "list", "--assignee", principal).answer == [role.answer]
    unknown = az("role", "assignment", "create", *whom, "--role", "AcrPull")
    assert (unknown.code, "'Reader'" in unknown.err) == (1, True)
    assert az("role", "assignment", "delete", "--ids", role.answer["id"]).code == 0
    assert az("role", "assignment", "list", "--all").answer == []
    for name in ("somebody", "itself"):
        assert az("ml", "online-endpoint", "delete", "-n", name, "--yes").code == 0
    assert az("identity", "delete", "--name", "reading").code == 0
    assert az("identity", "show", "--name", "reading").code == 3


def test_the_verbs_of_az_ml_answer_as_scripts_have_it(
    mle: Mle, host: RunningHost, tmp_path: Path
) -> None:
    mle("init", "script", ".", "--name", "asked")
    (tmp_path / "endpoint.yml").write_text("name: asked\nauth_mode: key\n")
    deployment = (tmp_path / "endpoint.yaml").read_text().split("---")[1]
    (tmp_path / "deployment.yml").write_text(deployment)
    on = ("-g", "group", "-w", "workspace")

    made = mle("online-endpoint", "create", "-f", "endpoint.yml", *on)
    assert made.answer["provisioning_state"] == "Succeeded"
    again = mle("online-endpoint", "create", "--name", "asked", *on)
    assert again.code == 1
    assert "is there already" in again.err
    blue = mle("online-deployment", "create", "--f", "deployment.yml", "--all-traffic", *on)
    assert blue.answer["code_configuration"]["scoring_script"] == "score.py"
    assert blue.answer["endpoint_name"] == "asked"

    with closing(Arm(from_connection_file(host.connection_file))) as arm:
        steps = DeploymentSteps(arm, "onlineEndpoints/asked/deployments/blue")
        assert steps.beside("InProgress") == "InProgress", "what was there before is no step"
        more = ("online-deployment", "update", "-n", "blue", "-e", "asked", "--set")
        assert mle(*more, "instance_count=2").answer["instance_count"] == 2
        until(lambda: steps.beside("InProgress") == "InProgress: ready to score", "a step")

    def value(*words: str) -> str:
        return mle(*words, "-o", "tsv", *on).out.strip()

    show = ("online-endpoint", "show", "-n", "asked", "--query")
    assert value(*show, "traffic.blue") == "100"
    assert value(*show, "scoring_uri").endswith("/endpoints/asked/score")
    key = value("online-endpoint", "get-credentials", "-n", "asked", "--query", "primaryKey")
    assert mle("online-endpoint", "regenerate-keys", "-n", "asked").code == 0
    after = value("online-endpoint", "get-credentials", "-n", "asked", "--query", "primaryKey")
    assert len(key) > 20
    assert after != key

    asked = mle("online-endpoint", "invoke", "--name", "asked", "--request-file", "request.json")
    assert asked.answer == {"sums": [6, 15]}
    bad = mle("online-endpoint", "update", "-n", "asked", "--traffic", "blue=50")
    assert bad.code == 1
    assert "properties.traffic: Traffic sums to 50" in bad.err
    update = mle("online-endpoint", "update", "-n", "asked", "--set", "tags.owner=me")
    assert update.answer["tags"] == {"owner": "me"}
    refused = mle("online-deployment", "delete", "-n", "blue", "-e", "asked", "--yes")
    assert refused.code == 1
    assert "holds 100 % of the traffic" in refused.err
    assert mle("online-endpoint", "update", "-n", "asked", "--traffic", "blue=0").code == 0
    assert mle("online-deployment", "delete", "-n", "blue", "-e", "asked", "--yes").code == 0
    assert mle("online-endpoint", "delete", "-n", "asked", "--yes").code == 0


def test_a_connection_is_made_without_its_secret_in_a_file_or_an_argument(
    mle: Mle, tmp_path: Path
) -> None:
    feed = {"name": "feed", "type": "python_feed", "target": "https://packages.example/team"}
    credentials = {"type": "username_password", "username": "robot"}
    (tmp_path / "feed.yml").write_text(json.dumps({**feed, "credentials": credentials}))
    assert mle("connection", "create", "-f", "feed.yml").code == 2
    made = mle("connection", "create", "-f", "feed.yml", stdin=b"s3cr3t\n")
    assert made.code == 0, made.err
    assert made.answer["credentials"] == {"type": "username_password"}
    changed = mle("connection", "update", "-n", "feed", "--set", "metadata.team=a")
    assert changed.code == 0, changed.err
    refused = mle("connection", "update", "-n", "feed", "--set", "target=https://evil.example")
    assert refused.code != 0
    assert "remains only while its target" in refused.err
    [listed] = mle("connection", "list").answer
    assert listed == mle("connection", "show", "-n", "feed").answer
    assert (listed["target"], listed["metadata"]) == (feed["target"], {"team": "a"})
    assert mle("connection", "delete", "-n", "feed", "-y").code == 0
    assert mle("connection", "list").answer == []


def test_a_folder_is_scored_and_fetched(mle: Mle, tmp_path: Path) -> None:
    mle("init", "batch", "project", "--name", "lines")
    assert mle("deploy", "project").code == 0
    done = mle("invoke", "lines", "project/data")
    assert done.code == 0, done.err
    assert "Completed, 2/2 files" in done.err
    job = mle("job", "list", "--query", "[0]").answer
    assert (job["status"], job["endpoint"], job["files"]) == ("Completed", "lines", "2/2")
    ran = mle("job", "lineage", "-n", job["name"]).answer
    assert ran["code"].rpartition("/codes/")[2].endswith("/versions/1")
    assert list(ran["inputs"]) == list(job["inputs"])
    shown = mle("jobs", "outputs", job["name"], "-o", "json").answer
    assert "score" in {each["output"] for each in shown}
    assert mle("jobs", "head", job["name"]).out.strip()
    assert mle("jobs", "failures", job["name"], "-o", "json").answer == []
    assert job["name"] in {each["name"] for each in mle("jobs", "-o", "json").answer}
    fetched = mle("jobs", "download", job["name"], "--path", "out", "-o", "json")
    assert fetched.answer["score"]["files"] == 1
    rows = (tmp_path / "out" / "score" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 3
    asked = ("batch-endpoint", "invoke", "-n", "lines", "--inputs", "data.type=uri_folder")
    of_its_own = ("--set", "output_file_name=mine.csv", "environment_variables.LIMIT=1")
    same = mle(*asked, "data.path=project/data", *of_its_own, "-m", "1", "-c", "1")
    assert "Uploading" not in same.err
    watched = mle("jobs", "watch", same.answer["name"])
    assert watched.code == 0
    assert mle("jobs", "download", same.answer["name"], "--path", "mine").code == 0
    assert (tmp_path / "mine" / "score" / "mine.csv").is_file()
    assert mle("job", "archive", "-n", job["name"]).code == 0
    listed = ("job", "list", "--query", "[].name")
    assert mle(*listed).answer == [same.answer["name"]]
    assert mle(*listed, "--archived-only").answer == [job["name"]]
    assert len(mle(*listed, "--include-archived").answer) == 2
    assert mle("job", "restore", "-n", job["name"]).code == 0
    assert len(mle(*listed).answer) == 2
    literal = mle(*asked, "data.path=project/data", "limit.type=number", "limit.default=1")
    assert (literal.code, "inputs.limit: literal inputs" in literal.err) == (2, True)
    assert mle("batch-endpoint", "delete", "-n", "lines", "--yes").code == 0


def test_a_deployment_is_tried_on_a_host_of_its_own(
    mle: Mle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mle("init", "script", "project", "--name", "tried")
    script = tmp_path / "project" / "src" / "score.py"
    script.write_text(script.read_text().replace("def init", "def inlt"))
    failed = mle("run", "project", "--once")
    assert failed.code == 1
    assert "does not define init()" in failed.err
    assert mle("online-endpoint", "show", "-n", "tried").code == 3, "the other host has none of it"


def test_what_was_exported_makes_the_same_endpoint_where_there_is_none(
    mle: Mle, tmp_path: Path
) -> None:
    mle("init", "script", "project", "--name", "moved")
    assert mle("model", "create", "-n", "rows", "-p", "project/request.json").code == 0
    file = tmp_path / "project" / "endpoint.yaml"
    text = file.read_text().replace("model:\n  path: src", "model: azureml:rows@latest")
    file.write_text(
        f"{text}tags: {{team: a}}\nenvironment_variables: {{A: 'b c'}}\n"
        "request_settings: {request_timeout_ms: 7000}\n"
    )
    assert mle("deploy", "project").code == 0
    exported = mle("export", "moved", "out")
    assert exported.code == 0, exported.err
    assert (tmp_path / "out" / "models" / "rows-1" / "request.json").is_file()
    assert mle("diff", "out", "--detailed-exitcode").code == 0
    assert mle("export", "moved", "out").code == 1, "nothing is overwritten"

    asset = mle("online-deployment", "show", "-e", "moved", "-n", "blue").answer
    assert mle("online-endpoint", "delete", "-n", "moved", "--yes").code == 0
    assert mle("model", "delete", "-n", "rows", "-v", "1", "--yes").code == 0
    code = asset["code_configuration"]["code"].partition("/workspaces/")[2].partition("/")[2]
    assert mle("rest", "DELETE", code).code == 0
    assert mle("rest", "GET", code).code == 3
    made = mle("deploy", "out")
    assert made.code == 0, made.err
    assert mle("diff", "out", "--detailed-exitcode").code == 0
    assert mle("diff", "project", "--detailed-exitcode").code == 0
    assert mle("invoke", "moved", "project/request.json").answer == {"sums": [6, 15]}
    assert mle("export", "nobody").code == 3
    assert mle("online-endpoint", "delete", "-n", "moved", "--yes").code == 0


def test_a_batch_endpoint_that_was_exported_is_as_it_was(mle: Mle, tmp_path: Path) -> None:
    mle("init", "batch", "project", "--name", "counted")
    assert mle("deploy", "project").code == 0
    assert mle("export", "counted", "out").code == 0
    assert mle("diff", "out", "--detailed-exitcode").code == 0
    assert mle("batch-endpoint", "delete", "-n", "counted", "--yes").code == 0


def test_a_model_is_fetched_as_it_was_registered(mle: Mle, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a b.bin").write_bytes(b"x")
    (tmp_path / "weights.bin").write_bytes(b"yy")
    assert mle("model", "create", "-n", "folder", "-p", "weights").code == 0
    assert mle("model", "create", "-n", "alone", "-p", "weights.bin").code == 0
    fetched = mle("model", "download", "-n", "folder", "-v", "1", "-p", "out")
    assert fetched.answer == {"path": "out/folder", "files": 1}
    assert (tmp_path / "out" / "folder" / "weights" / "a b.bin").read_bytes() == b"x"
    assert mle("model", "download", "-n", "alone", "-v", "1", "-p", "out").code == 0
    assert (tmp_path / "out" / "alone" / "weights.bin").read_bytes() == b"yy"


def test_what_has_no_verb_is_had_by_rest_and_waited_for(mle: Mle, tmp_path: Path) -> None:
    made = mle("rest", "put", "onlineEndpoints/raw", '{"properties": {"authMode": "Key"}}')
    assert made.answer["properties"]["provisioningState"] == "Succeeded"
    (tmp_path / "tags.json").write_text('{"tags": {"a": "b"}}')
    changed = mle("rest", "PATCH", "onlineEndpoints/raw", "@tags.json", "--query", "tags")
    assert changed.answer == {"a": "b"}
    assert mle("rest", "GET", "jobs?status=Failed&$top=1").answer["value"] == []
    assert mle("rest", "GET", "/healthz").out == "Healthy"
    assert mle("rest", "DELETE", "onlineEndpoints/raw").code == 0
    assert mle("rest", "GET", "onlineEndpoints/raw").code == 3
    assert mle("rest", "LOOK", "jobs").code == 2
    assert mle("rest", "PUT", "onlineEndpoints/raw", "{").code == 2
    nobody = mle("invoke", "nobody", "{}")
    assert (nobody.code, "There is no endpoint 'nobody'" in nobody.err) == (3, True)


def test_whoever_may_do_one_thing_alone_signs_in_all_the_same(
    mle: Mle, host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = {"properties": {"role": "reader/onlineEndpoints/one"}}
    client = mle("rest", "PUT", "clients/narrow", json.dumps(role)).answer["properties"]
    connection = json.loads((host.data_dir / "connection.json").read_text())
    monkeypatch.delenv("MLE_CONNECTION")
    monkeypatch.setenv("MLE_CLIENT_SECRET", client["clientSecret"])
    login = ("login", "--url", connection["url"], "--name", "narrow", "--ca-file")
    signed = mle(*login, connection["ca_file"], "--client-id", client["clientId"])
    assert signed.code == 0, signed.err
    assert mle("online-endpoint", "show", "-n", "one").code == 3
    assert mle("online-endpoint", "show", "-n", "two").code == 1
    assert mle(*login, connection["ca_file"], "--client-id", "nobody").code == 4


def test_messages_that_were_put_aside_are_seen_and_handled_after_all(
    mle: Mle, host: RunningHost
) -> None:
    row = ("batch-jobs", b'{"job":"gone","tick":0}', '{"message_id":"1","schema":"1.0"}')
    with contextlib.closing(sqlite3.connect(host.data_dir / "queues.db")) as queues, queues:
        for number in (1, 2):
            queues.execute(
                "INSERT INTO dead_letters (sequence_number, queue, body, properties, enqueued_at,"
                " delivery_count, reason, description, dead_lettered_at)"
                " VALUES (?, ?, ?, ?, 1, 5, 'MaxDeliveryCountExceeded', 'ValueError: no', 2)",
                (number, *row),
            )
    first, second = mle("dead-letter", "list", "--query", "[].name", "-o", "json").answer
    of = ("--queue", "batch-jobs")
    shown = mle("dead-letter", "show", *of, "-n", first).answer
    assert (shown["body"], shown["description"]) == ({"job": "gone", "tick": 0}, "ValueError: no")
    assert mle("dead-letter", "replay", *of).code == 2
    assert mle("dead-letter", "replay", *of, "-n", "999").code == 3
    assert mle("dead-letter", "delete", *of, "-n", second, "--yes").code == 0
    assert mle("dead-letter", "replay", *of, "--all").answer == {"replayed": 1}
    assert mle("dead-letter", "list", *of, "-o", "json").answer == []


MAPPING = """
name: arrivals
endpoint_name: nowhere
filter:
  included_event_types: [Microsoft.Storage.BlobCreated]
  subject_ends_with: .csv
  advanced_filters:
    - operator_type: string_in
      key: data.api
      values: [PutBlob]
job:
  inputData:
    input:
      jobInputType: UriFile
      uri: ${{data.url}}
"""
SUBSCRIPTION = """
name: team
destination:
  type: service_bus_topic
  entity_name: happenings
filter:
  subject_begins_with: onlineEndpoints/
retry_policy:
  event_time_to_live: 3600
"""


def test_events_come_and_go_by_what_files_say(mle: Mle, tmp_path: Path) -> None:
    (tmp_path / "mapping.yml").write_text(MAPPING)
    made = mle("event-mapping", "create", "-f", "mapping.yml").answer
    assert made["filter"]["advanced_filters"][0]["operator_type"] == "string_in"
    assert made["events_uri"].endswith("/events/arrivals")
    job = {"inputData": {"in": {"jobInputType": "UriFile", "uri": "{{data.url}}"}}}
    body = {"properties": {"endpointName": "nowhere", "job": job}}
    assert mle("rest", "PUT", "eventMappings/other", json.dumps(body)).code == 0
    other = mle("event-mapping", "show", "-n", "other").answer
    assert other["job"]["inputData"]["in"]["uri"] == "${{data.url}}"
    assert mle("event-mapping", "update", "-n", "other", "--set", "tags.team=a").code == 0
    assert mle("event-mapping", "delete", "-n", "other", "--yes").code == 0
    changed = ("event-mapping", "update", "-n", "arrivals", "--set", "deployment_name=blue")
    assert mle(*changed).answer["deployment_name"] == "blue"
    assert mle("event-mapping", "show", "-n", "arrivals").answer["job"] == made["job"]
    keys = mle("event-mapping", "get-keys", "-n", "arrivals").answer
    anew = ("event-mapping", "regenerate-keys", "-n", "arrivals", "--key-type", "primary")
    assert mle(*anew).answer["secondaryKey"] == keys["secondaryKey"]
    assert mle("event-mapping", "events", "-n", "arrivals", "-o", "json").answer == []
    assert mle("event-mapping", "delete", "-n", "arrivals", "--yes").code == 0
    assert mle("event-mapping", "list", "-o", "json").answer == []

    (tmp_path / "team.yml").write_text(SUBSCRIPTION)
    # Only an app on Service Bus has topics to send to: why not is said, at the field it is about.
    refused = mle("event-subscription", "create", "-f", "team.yml")
    assert (refused.code, "destination" in refused.err) == (1, True)
    assert mle("event-subscription", "redeliver", "-n", "team").code == 2
    assert mle("event-subscription", "dead-letters", "-n", "team").code == 3
    assert mle("event-subscription", "list", "-o", "json").answer == []


def test_sizes_and_what_is_promised_of_them_are_listed(mle: Mle) -> None:
    sizes = {each["name"]: each for each in mle("compute", "list-sizes").answer}
    assert sizes["Standard_DS3_v2"]["v_cp_us"] == 4
    assert {"current_value", "limit"} <= set(mle("compute", "list-usage").answer[0])


def test_assets_of_the_same_content_are_the_same_version(mle: Mle, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x" * (9 * 1024 * 1024))
    create = ("model", "create", "-n", "weights", "-p", "model.bin")
    assert mle(*create).answer["version"] == "1"
    assert mle(*create).answer["version"] == "1"
    (tmp_path / "model.bin").write_bytes(b"y")
    assert mle(*create).answer["version"] == "2"
    shown = mle("model", "show", "-n", "weights", "-l", "latest").answer
    assert (shown["version"], shown["type"]) == ("2", "custom_model")
    assert mle("model", "label", "-n", "weights", "-v", "1", "-l", "champion").code == 0
    assert mle("model", "show", "-n", "weights", "-l", "champion").answer["version"] == "1"
    named = mle("model", "show", "-n", "weights").answer
    assert named["labels"] == {"latest": "2", "champion": "1"}
    staged = ("model", "update", "-n", "weights", "-v", "1", "--set", "stage=Production")
    assert mle(*staged, "--set", "tags.team=a").code == 0
    told = mle("model", "update", "-n", "weights", "-v", "1", "--set", "tags.owner=b").answer
    assert told["tags"] == {"team": "a", "owner": "b"}
    for narrowed in (("--stage", "Production"), ("--tag", "team=a")):
        listed = mle("model", "list", "-n", "weights", *narrowed, "--query", "[].version")
        assert listed.answer == ["1"]
    assert mle("model", "lineage", "-n", "weights", "-l", "champion", "-o", "json").answer == []
    assert mle("model", "label", "-n", "weights", "-l", "champion", "--remove").code == 0
    gone = mle("model", "show", "-n", "weights", "-l", "champion")
    assert (gone.code, "it has: latest." in gone.err) == (3, True), gone.err
    assert mle("model", "archive", "-n", "weights", "-v", "1").code == 0
    assert mle("model", "list", "-n", "weights", "--query", "[].version").answer == ["2"]
    listed = mle("model", "list", "-n", "weights", "--include-archived", "--query", "[].version")
    assert sorted(listed.answer) == ["1", "2"]


def test_a_dockerfile_s_folder_is_uploaded_once(mle: Mle, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "built.yml").write_text("name: built\nbuild: {path: context}\n")
    create = ("environment", "create", "-f", "built.yml")
    made = mle(*create).answer
    assert made["build"]["path"].startswith("https://"), "where it was uploaded to"
    assert mle(*create).answer["version"] == "1"
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nENV A=1\n")
    assert mle(*create).answer["version"] == "2"


OLD_FORM = """\
name: oldie
type: online
auth_mode: key
traffic: {blue: 100}
deployments:
- name: blue
  model: {name: sums, version: 1, local_path: src/score.py}
  code_configuration: {code: {local_path: src/}, scoring_script: score.py}
  environment: {name: plain, version: 1, path: ., conda_file: file:conda.yaml}
  instance_type: Standard_F2s_v2
  scale_settings: {scale_type: manual, instance_count: 1, min_instances: 1, max_instances: 2}
  request_settings: {request_timeout_ms: 3000, max_queue_wait_ms: 3000}
"""


def test_a_script_that_says_az_runs_unchanged_with_the_files_of_2021_too(
    mle: Mle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mle("init", "script", ".", "--name", "unused")
    (tmp_path / "old.yml").write_text(OLD_FORM)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def az(*words: str) -> Typed:
        return mle("az-shim", "--", *words)

    assert az("configure", "--defaults", "group=g", "workspace=w").code == 0
    assert len(az("account", "show", "--query", "id", "-o", "tsv").out.strip()) == 36
    state = "deployments[?name=='blue'].provisioning_state"
    made = az("ml", "endpoint", "create", "-f", "old.yml", "--query", state, "-o", "tsv")
    assert made.out == "Succeeded\n", made.err
    asked = ("ml", "endpoint", "invoke", "-n", "oldie", "--request-file", "request.json")
    assert az(*asked).answer == {"sums": [6, 15]}
    counted = az("ml", "endpoint", "update", "-n", "oldie", "-d", "blue", "-i", "2")
    assert counted.answer["deployments"][0]["instance_count"] == 2
    (tmp_path / "old.yml").write_text(
        OLD_FORM.replace("name: blue", "name: red").replace("{blue: 100}", "{red: 100}")
    )
    anew = az("ml", "endpoint", "update", "-f", "old.yml")
    assert [each["name"] for each in anew.answer["deployments"]] == ["red"], anew.err
    assert az("ml", "endpoint", "delete", "-n", "oldie", "--yes").code == 0

    refused = az("vm", "list")
    assert refused.code == 1
    assert "`az vm list` is not answered here" in refused.err
    assert "mle data create" in az("storage", "blob", "upload").err
    assert mle("az-shim", "--install", "bin").code == 0
    assert az("vm", "list").code == 1, "it must not take its own script for Azure's"


def test_scripts_are_told_where_they_are_and_may_ask_for_a_token(
    mle: Mle, host: RunningHost
) -> None:
    def az(*words: str) -> str:
        done = mle("az-shim", "--", *words, "-o", "tsv")
        assert done.code == 0, done.err
        return done.out.strip()

    _, _, _, _, group, *_, workspace = host.workspace.connection["workspace"].split("/")
    assert az("configure", "-l", "--query", "[?name=='group'].value") == group
    assert az("config", "get", "--query", "defaults[?name == 'workspace'].value") == workspace
    assert az("config", "get", "defaults.location", "--query", "value") == "local"
    assert az("group", "show", "--query", "name") == group
    assert az("ml", "workspace", "show", "--query", "location") == "local"
    assert az("ml", "workspace", "show", "--query", "container_registry") == ""
    assert az("ml", "workspace", "list", "--query", "[].name") == workspace
    asked = ("account", "get-access-token", "--query", "accessToken")
    of_jobs = az(*asked, "--resource", "https://ml.azure.com")
    assert of_jobs != az(*asked)
    refused = mle("az-shim", "--", "config", "get", "core.output")
    assert refused.code == 2
    elsewhere = mle("workspace", "show", "-n", "another")
    assert (elsewhere.code, f"is '{workspace}'" in elsewhere.err) == (3, True)


def test_a_compute_is_given_identities_by_flags(mle: Mle) -> None:
    named = ("compute", "update", "-n", "with-identity")
    made = mle("compute", "create", "-n", "with-identity", "-t", "amlcompute")
    assert made.code == 0, made.err
    assert (made.answer["max_instances"], made.answer.get("identity")) == (1, None)
    given = mle(*named, "--identity-type", "system_assigned")
    assert given.answer["identity"]["principal_id"], given.err
    mine = mle("identity", "create", "-n", "mine").answer["id"]
    asked = ("--identity-type", "user_assigned", "--user-assigned-identities", mine)
    [listed] = mle(*named, *asked).answer["identity"]["user_assigned_identities"]
    assert listed["resource_id"] == mine
    assert mle(*named, "--user-assigned-identities", mine).code == 2
    assert mle("compute", "delete", "-n", "with-identity", "--yes").code == 0
    assert mle("identity", "delete", "-n", "mine").code == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["online-endpont", "list"], 2, "Did you mean `mle online-endpoint`?"),
        (["online-endpoint", "creat"], 2, "Did you mean `mle online-endpoint create`?"),
        (["online-endpoint", "show"], 2, "required: -n/--name"),
        (["schedule", "trigger", "-n", "nothing"], 3, "was not found"),
        (["job", "create", "-f", "job.yml"], 2, "`mle batch-endpoint invoke`"),
        (["online-endpoint", "show", "-n", "nobody"], 3, "was not found"),
        (["deploy", "nowhere.yml"], 2, "can't be read"),
        (["status", "-o", "xml"], 2, "one of csv"),
        (["status", "--context", "nobody"], 2, "There is no context"),
    ],
)
def test_what_is_wrong_is_said_with_an_exit_code_for_scripts(
    mle: Mle, words: list[str], code: int, told: str
) -> None:
    typed = mle(*words)
    assert typed.code == code
    assert told in typed.err
    assert typed.out == ""


def test_a_host_is_remembered_used_and_forgotten(
    mle: Mle, host: RunningHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection = json.loads((host.data_dir / "connection.json").read_text())
    monkeypatch.delenv("MLE_CONNECTION")
    assert mle("status").code == 4
    monkeypatch.setenv("MLE_CLIENT_SECRET", connection["client_secret"])
    login = mle(
        *("login", "--url", connection["url"], "--name", "here"),
        *("--client-id", connection["client_id"], "--ca-file", connection["ca_file"]),
    )
    assert login.code == 0, login.err
    assert "contexts.json, which your user alone may read" in login.err
    assert mle("status").code == 0
    assert mle("use", "-o", "json").answer[0]["name"] == "here"
    assert (tmp_path / "config" / "contexts.json").stat().st_mode & 0o077 == 0
    assert mle("doctor").code == 0
    local = mle("online-endpoint", "list", "--local")
    assert local.code == 2
    assert "not a host of this machine" in local.err
    wrong = mle("login", "--url", connection["url"], "--name", "other", "--client-id", "me")
    assert wrong.code == 1
    assert "is not trusted" in wrong.err
    assert mle("logout").code == 0
    assert mle("status").code == 4


def test_where_there_is_a_keyring_no_file_has_the_secret(
    mle: Mle, host: RunningHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection = host.connection
    monkeypatch.delenv("MLE_CONNECTION")
    monkeypatch.setenv("MLE_CLIENT_SECRET", connection["client_secret"])
    client = ("--client-id", connection["client_id"], "--ca-file", connection["ca_file"])
    kept = tmp_path / "config"
    with HeldKeyring() as held:
        for name in ("one", "two"):
            login = mle("login", "--url", connection["url"], "--name", name, *client)
            assert login.code == 0, login.err
            assert "secret is in the keyring, the test's" in login.err
        assert list(held.held.values()) == [connection["client_secret"]]
        files = [file.read_text() for file in kept.rglob("*") if file.is_file()]
        assert len(files) > 1
        assert not any(connection["client_secret"] in text for text in files)
        assert mle("logout", "one").code == 0
        assert mle("status", "--context", "two").code == 0
        assert mle("logout", "two").code == 0
        assert not held.held
