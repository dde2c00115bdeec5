"""A node's life: how it begins, is drained, dies, and that nothing of it is left."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import NAMESPACE, first_below, needs_namespace
from tests.runtime.node.harness import PROOF, SHOWN, NodeProcess, StartNode

GATED = """
    import os, signal, subprocess, sys

    def init():
        pass

    def run(data):
        if data == "wait":
            open("at it", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.005)
        if data == "kill parent":
            os.kill(os.getppid(), 9)
        if data == "orphan":
            if os.fork() == 0:
                if os.fork() == 0:
                    os._exit(0)
                os._exit(0)
            os.wait()
        if data == "daemon":
            sleeper = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"
            return subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True).pid
        return os.getpid() if data == "who" else data

    import time
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_that_is_drained_ends_what_is_under_way_and_takes_nothing_new(
    start_node: StartNode, workers: int
) -> None:
    node = start_node(GATED, serve={"workers": workers, "max_concurrent": 2}).ready()
    daemon = node.ask(body="daemon").json
    family = node.descendants()
    with node.connect() as busy:
        busy.ask("POST", "/score", b"wait", SHOWN)
        until((node.folder / "at it").exists, "it runs")
        node.terminate()
        until(lambda: not node.is_ready(), "it takes nothing new")
        until(lambda: _turned_away(node), "a request is turned away")
        assert node.state()["phase"] == "draining"
        (node.folder / "go").touch()
        answer = busy.reply()
        assert (answer.status, answer.json) == (200, "wait")
        assert answer.headers["ml-endpoints-node"] == PROOF
        assert answer.headers["connection"] == "close"
    assert node.exit_code() == 0
    until(lambda: not [pid for pid in [daemon, *family] if alive(pid)], "nobody is left")
    assert "Traceback" not in node.log


def _turned_away(node: NodeProcess) -> bool:
    with contextlib.suppress(ConnectionError):
        reply = node.ask(body="new")
        return (
            reply.status == 503
            and reply.headers["ml-endpoints-node-reason"] == "draining"
            and reply.headers["ml-endpoints-node"] == PROOF
            and reply.headers["connection"] == "close"
        )
    return False


def test_a_node_drained_by_its_host_stays_until_it_is_ended_and_then_for_its_time_alone(
    start_node: StartNode,
) -> None:
    # With room for a request that comes before it has heard of the drain: it does not wait.
    node = start_node(GATED, drain_seconds=0, serve={"max_concurrent": 4}).ready()
    with node.connect() as busy:
        busy.ask("POST", "/score", b"wait", SHOWN)
        until((node.folder / "at it").exists, "it runs")
        assert node.ask("POST", "/node/drain").status == 202
        until(lambda: _turned_away(node), "it takes nothing new")
        assert node.ask("GET", "/livez", shown=False).status == 200
        assert _turned_away(node)
        node.terminate()
        assert node.exit_code() == 0
        assert busy.at_end()


def test_a_node_that_is_killed_leaves_nothing_behind(start_node: StartNode) -> None:
    node = start_node(GATED).ready()
    family = node.descendants()
    assert family
    with node.connect() as wire:
        wire.ask("POST", "/score", b"kill parent", SHOWN)
        assert node.exit_code() == -signal.SIGKILL
    until(lambda: not [pid for pid in family if alive(pid)], "all have ended")
    assert len(list(node.data.iterdir())) == 1
    again = start_node(None, env={"ML_ENDPOINTS_NODE_DATA": str(node.data)})
    assert again.failed()["reason"] == "The script 'score.py' is not among the code."
    assert len(list(node.data.iterdir())) == 1
    again.terminate()
    assert again.exit_code() == 0
    assert list(node.data.iterdir()) == []


def test_as_process_1_it_reaps_orphans_cannot_be_killed_from_inside_and_ends_in_order(
    start_node: StartNode,
) -> None:
    needs_namespace()
    node = start_node(GATED, prefix=NAMESPACE).ready()
    first = first_below(node.process.pid)
    assert _inside(first) == 1
    node.ask(body="daemon")
    for _ in range(3):
        node.ask(body="orphan")
    until(lambda: not _zombies_of(first), "orphans are reaped")
    assert node.ask(body="kill parent").json == "kill parent"
    assert node.state()["phase"] == "ready"
    family = node.descendants()
    os.kill(first, signal.SIGTERM)
    assert node.exit_code() == 0
    until(lambda: not [pid for pid in family if alive(pid)], "nobody is left")
    assert "Traceback" not in node.log


def _inside(pid: int) -> int:
    """The number that a process has in its own namespace."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("NSpid:")[2].split("\n")[0].split()[-1])


def _zombies_of(parent: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] == "Z" and int(fields[1]) == parent:
                    found.append(entry.name)
    return found


def test_a_process_that_hangs_gets_no_requests_until_it_answers_again(
    start_node: StartNode,
) -> None:
    node = start_node(GATED, serve={"workers": 2, "max_concurrent": 2}).ready()
    until(lambda: node.state()["ready"] == 2, "both are ready")
    hung = node.ask(body="who").json
    os.kill(hung, signal.SIGSTOP)
    with node.connect() as one, node.connect() as other:
        for wire in (one, other):
            wire.ask("POST", "/score", b"who", SHOWN)
        until(lambda: node.state()["silent"] == 1, "it is silent")
        assert node.ask(body="who").json != hung
        assert node.ask(body="who").json != hung
        os.kill(hung, signal.SIGCONT)
        assert hung in (one.reply().json, other.reply().json)
    until(lambda: node.state()["silent"] == 0, "it answers again")
    assert node.state()["restarts"] == 0


def test_a_script_that_can_never_serve_is_explained_at_the_door(start_node: StartNode) -> None:
    node = start_node("import nothing_of_the_kind\n")
    state = node.failed()
    assert state["code"] == "UserScriptImportError"
    assert "nothing_of_the_kind" in state["reason"]
    assert "Traceback" in state["reason"]
    assert not [text for text in node.texts() if text.startswith('{"code"')]
    assert node.ask("GET", "/livez", shown=False).status == 200
    assert node.ask("GET", "/readyz", shown=False).status == 503
    reply = node.ask()
    assert (reply.status, reply.headers["ml-endpoints-node-reason"]) == (503, "failed")
    assert "nothing_of_the_kind" in reply.json["message"]
    node.terminate()
    assert node.exit_code() == 0


def test_an_init_that_raises_is_tried_again(start_node: StartNode) -> None:
    node = start_node("""
        import os

        def init():
            if not os.path.exists("tried"):
                open("tried", "w").close()
                raise ValueError("not yet")

        def run(data):
            return data
    """).ready()
    assert node.state()["last_death"]["reason"] == "init() raised ValueError: not yet"
    assert any("It is started again in 0.5 s" in text for text in node.texts())


@pytest.mark.parametrize(
    ("env", "faults"),
    [
        ({"ML_ENDPOINTS_NODE_SECRET": ""}, ["SECRET is missing"]),
        (
            {
                "ML_ENDPOINTS_NODE_SECRET": "short",
                "ML_ENDPOINTS_NODE_PORT": "many",
                "ML_ENDPOINTS_NODE_SPEC": '{"contract": 2, "serve": {"workers": 0}, "mode": "run"}',
                "ML_ENDPOINTS_NODE_TLS_KEY": "key",
                "ML_ENDPOINTS_NODE_SECRTE": "typo",
            },
            [
                "SECRET is not 32 to 256",
                "PORT is 'many'",
                "contract is 2",
                "mode is 'run'",
                "serve.workers is not a whole number of at least 1",
                "serve.deployment is missing",
                "code is missing",
                "TLS_CERT and ML_ENDPOINTS_NODE_TLS_KEY come together",
                "ML_ENDPOINTS_NODE_SECRTE is not known",
            ],
        ),
        ({"ML_ENDPOINTS_NODE_DATA": "/proc/none"}, ["/proc/none cannot be written to"]),
        (
            {"ML_ENDPOINTS_NODE_TLS_KEY": "none", "ML_ENDPOINTS_NODE_TLS_CERT": "none"},
            ["The door cannot be opened"],
        ),
    ],
)
def test_a_node_that_is_told_nonsense_says_every_fault_and_ends(
    start_node: StartNode, env: dict[str, str], faults: list[str]
) -> None:
    node = start_node(GATED, env=env)
    assert node.exit_code() == 2
    last = json.loads(node.log.splitlines()[-1])
    assert last["code"] == "BadArgument"
    assert not [fault for fault in faults if fault not in last["message"]]
