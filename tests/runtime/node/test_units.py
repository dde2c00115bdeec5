"""Units pushed to a node: begun once whoever asks, kept until collected, ended by their limits."""

import asyncio
import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from runtime.node.door.own import Question
from runtime.node.processes.crew import Crew
from runtime.node.processes.launch import Launch
from runtime.node.processes.worker import Ground, Worker
from runtime.node.units import routes
from runtime.node.units.attempts import Attempts
from tests.kit.waiting import eventually, until
from tests.kit.web_server import reply, web_server
from tests.runtime.harness import Wire
from tests.runtime.node.harness import SHOWN, NodeProcess, StartNode

SCRIPT = """
    import os, time

    def init():
        pass

    def run(mini_batch):
        for path in mini_batch:
            text = open(path).read()
            if text == "die":
                os._exit(7)
            if text == "hang":
                time.sleep(3600)
            if text.startswith("wait "):
                open(path + ".begun", "w").close()
                while not os.path.exists(text[5:]):
                    time.sleep(0.005)
        return [str(os.getpid()) for _ in mini_batch]
"""


@pytest.fixture(scope="module")
def node(start_shared_node: StartNode) -> NodeProcess:
    work = {"processes": 2, "kept": 6}
    node = start_shared_node(SCRIPT, mode="work", work=work).ready()
    until(lambda: node.state()["ready"] == 2, "both are ready")
    return node


class Job:
    """Files of one test, and the units of them."""

    def __init__(self, node: NodeProcess, folder: Path) -> None:
        self.node = node
        self.folder = folder
        self.key = f"batch/{folder.name}"
        self.go = folder / "go"

    def body(self, *texts: str, timeout: float = 3600, most: int = 0) -> str:
        batches = []
        for number, text in enumerate(texts):
            path = self.folder / f"{len(list(self.folder.iterdir()))}.txt"
            path.write_text(text)
            inputs = [{"name": path.name, "url": path.as_uri(), "piece": None, "etag": ""}]
            batches.append({"ordinal": 5 + number, "inputs": inputs, "tries": 1})
        unit = {
            "attempt_id": "x",
            "mini_batches": batches,
            "timeout": timeout,
            "output_format": "summary_only",
            "block_url": None,
            "provenance": True,
        }
        return json.dumps({"job": self.key, "most": most, "unit": unit})

    def waiting(self, **more: Any) -> str:
        return self.body(f"wait {self.go}", **more)

    def ask(self, id: str, body: str, wait: float = 3600) -> list[dict[str, Any]]:
        reply = self.node.ask("POST", self.at(id, wait), body)
        assert reply.status == 200, reply.body
        return [json.loads(line) for line in reply.body.splitlines()]

    def begin(self, id: str, body: str) -> str:
        """The state in which it is at once."""
        return str(self.ask(id, body, wait=0)[-1]["state"])

    def outcome(self, id: str) -> dict[str, Any]:
        reply = self.node.ask("GET", self.at(id, 3600))
        assert reply.status == 200, reply.body
        return dict(json.loads(reply.body.splitlines()[-1])["outcome"])

    def collect(self, *ids: str) -> None:
        for id in ids:
            assert self.node.ask("DELETE", f"/node/units/{self.name(id)}").status == 204

    def id(self, id: str) -> str:
        return f"{self.key}:{id}"

    def together(self, bodies: dict[str, str]) -> str:
        units = {self.id(id): json.loads(body)["unit"] for id, body in bodies.items()}
        return json.dumps({"job": self.key, "most": 0, "units": units})

    def name(self, id: str) -> str:
        return quote(self.id(id), safe="")

    def at(self, id: str, wait: float) -> str:
        return f"/node/units/{self.name(id)}?wait={wait}"


@pytest.fixture
def job(node: NodeProcess, tmp_path: Path) -> Job:
    return Job(node, tmp_path)


class Told:
    """The lines of an answer, as they come."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lines: list[bytes] = []

    def next(self) -> dict[str, Any]:
        while not self._lines:
            self._lines += self._wire.chunk().splitlines()
        line: dict[str, Any] = json.loads(self._lines.pop(0))
        return line


def states(node: NodeProcess) -> list[str]:
    return [each["state"] for each in node.ask("GET", "/node/units").json["units"]]


def test_a_unit_runs_and_its_outcome_is_told(job: Job) -> None:
    events = job.ask("a", job.body("one", "two"))
    assert [event["event"] for event in events] == ["running", "outcome"]
    outcome = events[-1]["outcome"]
    assert outcome["lost"] is None
    assert [(each["ordinal"], each["succeeded"]) for each in outcome["results"]] == [
        (5, True),
        (6, True),
    ]
    assert outcome["results"][0]["returned"] == 1
    assert (outcome["rows"], outcome["digest"], outcome["lost_ordinal"]) == (2, "", None)
    job.collect("a")


def test_units_that_are_asked_for_together_are_told_of_each_as_it_ends(job: Job) -> None:
    held = {"held": job.waiting(), "one": job.body("one"), "dies": job.body("die")}
    with job.node.connect() as wire:
        wire.ask("POST", "/node/units?wait=3600", job.together(held).encode(), SHOWN)
        assert wire.head()[0] == 200
        told = Told(wire)
        assert told.next() == {"event": "begun"}
        ended = {each["unit"]: each["outcome"] for each in (told.next(), told.next())}
        assert job.begin("held", held["held"]) == "running"
        job.go.touch()
        last = told.next()
        assert told.next() == {"event": "over"}
    assert {*ended} == {job.id("one"), job.id("dies")}
    assert ended[job.id("one")]["lost"] is None
    assert (ended[job.id("dies")]["lost_ordinal"], last["unit"]) == (5, job.id("held"))
    assert last["outcome"] == job.outcome("held")
    job.collect("held", "one", "dies")


def test_of_units_that_are_asked_for_together_some_find_no_room(job: Job) -> None:
    asked = job.together({str(number): job.waiting() for number in range(8)})
    reply = job.node.ask("POST", "/node/units?wait=0", asked)
    told = [json.loads(line) for line in reply.body.splitlines()]
    full = [{"event": "full", "unit": job.id(each)} for each in ("6", "7")]
    assert told == [*full, {"event": "begun"}, {"event": "over"}]
    again = job.node.ask("POST", "/node/units?wait=0", asked)
    assert again.body == reply.body
    assert len(states(job.node)) == 6
    job.collect(*(str(number) for number in range(6)))


@pytest.mark.parametrize(
    "body", ["[]", "x", '{"job": "j"}', '{"job": "j", "units": {}}', '{"job": "j", "units": []}']
)
def test_what_are_no_units_is_refused(node: NodeProcess, body: str) -> None:
    reply = node.ask("POST", "/node/units", body)
    assert (reply.status, reply.headers["ml-endpoints-node-reason"]) == (400, "bad-request")


def test_one_bad_unit_of_several_has_none_of_them_begun(job: Job) -> None:
    bad = job.body("x").replace('"timeout": 3600', '"timeout": 0')
    reply = job.node.ask("POST", "/node/units", job.together({"a": job.body("y"), "b": bad}))
    assert (reply.status, "timeout is not above 0" in reply.body.decode()) == (400, True)
    assert states(job.node) == []


def test_few_rows_are_told_and_what_is_small_comes_with_its_unit(job: Job) -> None:
    """Nobody answers at these URLs."""
    unit = json.loads(job.body("-"))["unit"]
    url = "https://nowhere.invalid/blobs/c/x.txt"
    content = base64.b64encode(b"text").decode()
    inputs = [{"name": "x.txt", "url": url, "etag": "", "content": content}]
    unit["mini_batches"][0]["inputs"] = inputs
    unit.update(output_format="jsonl", block_url=f"{url}&comp=block", told_within=1000)
    outcome = job.ask("a", json.dumps({"job": job.key, "unit": unit}))[-1]["outcome"]
    rows = base64.b64decode(outcome["content"])
    assert outcome["lost"] is None
    assert (outcome["rows"], outcome["length"]) == (1, len(rows))
    assert outcome["digest"] == hashlib.sha256(rows).hexdigest()
    assert b"x.txt" in rows
    job.collect("a")


def test_more_rows_than_are_to_be_told_are_written(job: Job, tmp_path: Path) -> None:
    unit = json.loads(job.body("-"))["unit"]
    block = tmp_path / "block"
    unit.update(output_format="jsonl", block_url=block.as_uri(), told_within=10)
    outcome = job.ask("a", json.dumps({"job": job.key, "unit": unit}))[-1]["outcome"]
    assert (outcome["lost"], "content" in outcome) == (None, False)
    assert hashlib.sha256(block.read_bytes()).hexdigest() == outcome["digest"]
    job.collect("a")


def test_whoever_asks_again_sends_the_urls_that_a_unit_goes_on_by(job: Job) -> None:
    with web_server() as web:

        def body(signature: str) -> str:
            asked = json.loads(job.waiting())
            url = f"{web.url}/late?se=2020-01-01T00%3A00%3A00Z&sig={signature}"
            late = {"name": "late.txt", "url": url, "piece": None, "etag": ""}
            asked["unit"]["mini_batches"].append({"ordinal": 6, "inputs": [late], "tries": 1})
            return json.dumps(asked)

        def answer(request: BaseHTTPRequestHandler) -> None:
            reply(request, 200 if "sig=new" in request.path else 403, b"x")

        web.answers["/late"] = answer
        job.begin("a", body("old"))
        until(lambda: web.asked, "the next mini-batch is refused")
        assert job.begin("a", body("new")) == "running"
        job.go.touch()
        results = job.outcome("a")["results"]
    assert [each["error"] for each in results] == [None, None]
    job.collect("a")


def test_an_attempt_that_is_sent_twice_is_one_and_any_host_gets_its_outcome(job: Job) -> None:
    body = job.waiting()
    with job.node.connect() as one, job.node.connect() as other:
        for wire in (one, other):
            wire.ask("POST", job.at("a", 3600), body.encode(), SHOWN)
            assert wire.head()[0] == 200
            assert json.loads(wire.chunk())["event"] == "running"
        assert job.begin("a", body) == "running"
        assert states(job.node) == ["running"]
        job.go.touch()
        assert _last(one) == _last(other) == job.outcome("a")
    assert states(job.node) == ["ended"]
    job.collect("a")
    gone = job.node.ask("GET", job.at("a", 0))
    assert (gone.status, gone.headers["ml-endpoints-node-reason"]) == (404, "not-found")


def _last(wire: Wire) -> Any:
    line = b""
    while piece := wire.chunk():
        line = piece
    return json.loads(line)["outcome"]


def test_a_host_that_leaves_takes_no_attempt_with_it(job: Job) -> None:
    with job.node.connect() as wire:
        wire.ask("POST", job.at("a", 3600), job.waiting().encode(), SHOWN)
        assert wire.head()[0] == 200
    job.go.touch()
    assert job.outcome("a")["lost"] is None
    job.collect("a")


def test_a_mini_batch_that_overstays_its_time_is_killed_and_blamed(job: Job) -> None:
    restarts = job.node.state()["restarts"]
    outcome = job.ask("a", job.body("fine", "hang", timeout=0.2))[-1]["outcome"]
    # On a machine that stands still the first may run out of time.
    assert outcome["lost"] == (
        f"Mini-batch {outcome['lost_ordinal']} ran into its timeout of 0.2 s."
    )
    until(lambda: job.node.state()["ready"] == 2, "another takes its place")
    assert job.node.state()["restarts"] == restarts + 1
    job.collect("a")


def test_a_process_that_dies_ends_its_unit_and_no_other(job: Job) -> None:
    assert job.begin("other", job.waiting()) == "running"
    outcome = job.ask("a", job.body("fine", "die"))[-1]["outcome"]
    assert outcome["lost"] == "Its process ended with exit status 7."
    assert outcome["lost_ordinal"] == 6
    assert [each["ordinal"] for each in outcome["results"]] == [5]
    # At once, and not counted: the unit is to blame.
    assert job.node.texts()[-1].endswith("exit status 7. Another takes its place.")
    job.go.touch()
    assert job.outcome("other")["lost"] is None
    until(lambda: job.node.state()["ready"] == 2, "another takes its place")
    job.collect("a", "other")


def test_jobs_share_processes_and_none_has_more_than_it_asked_for(job: Job, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Job(job.node, tmp_path / "second")
    assert job.begin("a", job.waiting(most=1)) == "running"
    assert job.begin("b", job.waiting(most=1)) == "waiting"
    assert second.begin("a", second.waiting()) == "running"
    assert second.begin("b", second.waiting()) == "waiting"
    load = job.node.ask("GET", "/load").json
    assert (load["in_flight"], load["queued"], load["max_concurrent"]) == (2, 2, 2)
    second.go.touch()
    assert second.outcome("b")["lost"] is None
    assert states(job.node).count("waiting") == 1
    job.go.touch()
    assert job.outcome("b")["lost"] is None
    job.collect("a", "b")
    second.collect("a", "b")


def test_what_nobody_wants_any_more_ends(job: Job) -> None:
    for id in ("a", "b"):
        assert job.begin(id, job.waiting()) == "running"
    assert job.begin("c", job.waiting()) == "waiting"
    restarts = job.node.state()["restarts"]
    job.collect("c")
    assert states(job.node) == ["running", "running"]
    assert job.node.ask("DELETE", f"/node/jobs/{quote(job.key, safe='')}").status == 204
    assert states(job.node) == []
    until(lambda: job.node.state()["restarts"] == restarts + 2, "both are killed")
    until(lambda: job.node.state()["ready"] == 2, "others take their places")


def test_a_node_has_so_many_attempts_and_no_more(job: Job) -> None:
    for id in "abcdef":
        job.begin(id, job.waiting())
    reply = job.node.ask("POST", job.at("g", 0), job.waiting())
    assert (reply.status, reply.headers["ml-endpoints-node-reason"]) == (429, "full")
    assert reply.headers["retry-after"] == "5"
    job.go.touch()
    for id in "abcdef":
        assert job.outcome(id)["lost"] is None
    job.begin("g", job.body("one"))
    assert job.node.ask("GET", job.at("a", 0)).status == 404
    assert job.outcome("g")["lost"] is None
    job.collect(*"abcdefg")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '{"job": "j"}',
        '{"job": "j", "unit": {"mini_batches": []}}',
        '{"unit": {"mini_batches": [], "output_format": "summary_only", "timeout": 1}}',
    ],
)
def test_what_is_no_unit_is_refused(node: NodeProcess, body: str) -> None:
    reply = node.ask("POST", "/node/units/bad", body)
    assert (reply.status, reply.headers["ml-endpoints-node-reason"]) == (400, "bad-request")
    assert states(node) == []


def test_other_routes_of_a_node_that_works(node: NodeProcess) -> None:
    assert node.ask("POST", "/score").status == 404
    assert node.ask("PUT", "/node/units/x").status == 405
    assert node.ask("GET", "/node/units/x?wait=long").status == 400
    assert node.ask("GET", "/node/units", shown=False).status == 401


def test_a_drained_node_ends_its_units_and_keeps_them_until_they_are_collected(
    start_node: StartNode, tmp_path: Path
) -> None:
    node = start_node(SCRIPT, mode="work").ready()
    job = Job(node, tmp_path)
    assert job.begin("a", job.waiting()) == "running"
    assert job.begin("b", job.waiting()) == "waiting"
    node.terminate()
    until(lambda: node.state()["phase"] == "draining", "it is drained")
    refused = node.ask("POST", job.at("c", 0), job.waiting())
    assert (refused.status, refused.headers["ml-endpoints-node-reason"]) == (503, "draining")
    assert job.outcome("b")["lost"] == "The node was drained before the unit began."
    job.go.touch()
    assert job.outcome("a")["lost"] is None
    assert node.process.poll() is None
    job.collect("a", "b")
    assert node.exit_code() == 0


async def test_a_line_goes_out_before_a_proxy_takes_the_connection_for_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT", 0.001)
    attempts = Attempts(Crew(), (), kept=3)
    attempts.begin("a", "j", 0, {"mini_batches": [{"inputs": []}]})
    asked = Question("GET", "/node/units/a", "wait=3600", b"")
    lines = routes.UnitRoutes(attempts).answer(asked).lines
    assert lines is not None
    for _ in range(3):
        assert json.loads(await anext(lines)) == {"event": "waiting"}
    attempts.forget("a")
    outcome = json.loads([line async for line in lines][-1])["outcome"]
    assert outcome["lost"] == "The unit was given up."


async def test_a_unit_that_is_given_up_as_it_begins_leaves_its_process_to_the_next() -> None:
    nobody: Any = None
    ground = Ground(nobody, nobody, nobody, "", nobody, nobody)
    worker = Worker(0, Launch((), {}, ""), ground, lambda: None, share=1)
    worker.ready = True
    attempts = Attempts(Crew([worker]), [worker], kept=3)
    unit = {"mini_batches": [{"ordinal": 0, "inputs": []}], "timeout": 1.0}
    attempts.begin("a", "j", 0, unit)
    attempts.forget("a")
    following = attempts.begin("b", "j", 0, unit)
    assert following.state == "waiting"
    await eventually(lambda: following.state == "running")
    task = following.task
    attempts.forget("b")
    assert task is not None
    await asyncio.wait({task})
