"""What a script finds of its process."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.harness import Start

SEEN = """
    import gc, json, sys

    loaded = []
    at_import = gc.get_threshold()

    def init():
        loaded.extend([number] for number in range(1000))

    def run(data):
        went_through = {id(each) for each in gc.get_objects()}
        seen = {
            "frozen": gc.get_freeze_count(),
            "gone_through": sum(id(each) in went_through for each in loaded),
            "switch_interval": sys.getswitchinterval(),
            "loading": at_import,
            "running": gc.get_threshold(),
        }
        return [json.dumps(seen)]
"""


def serving(start: Start, script: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(start(script).ready().ask(body="x").json[0])
    return told


def working(start: Start, script: str) -> dict[str, Any]:
    server = start(script, "work").ready()
    file, block = server.folder / "in.txt", server.folder / "block"
    file.write_text("x")
    unit = {
        "attempt_id": "a1",
        "mini_batches": [
            {"ordinal": 0, "tries": 1, "inputs": [{"name": "in.txt", "url": file.as_uri()}]}
        ],
        "output_format": "text",
        "block_url": Path(block).as_uri(),
        "timeout": 30,
    }
    reply = server.ask("POST", "/units", json.dumps(unit).encode())
    assert reply.status == 200, reply.body
    told: dict[str, Any] = json.loads(block.read_text())
    return told


@pytest.mark.parametrize("seen_in", [serving, working])
def test_what_a_script_has_loaded_is_left_out_of_every_collection(
    start: Start, seen_in: Any
) -> None:
    seen = seen_in(start, SEEN)
    assert seen["frozen"] > 1000
    assert seen["gone_through"] == 0


@pytest.mark.parametrize("seen_in", [serving, working])
def test_a_script_that_computes_lets_others_have_their_turn_within_half_a_millisecond(
    start: Start, seen_in: Any
) -> None:
    assert 0 < seen_in(start, SEEN)["switch_interval"] <= 0.0005


def test_a_scripts_own_shorter_turn_is_kept(start: Start) -> None:
    own = SEEN.replace("loaded.extend", "sys.setswitchinterval(1e-4); loaded.extend")
    assert serving(start, own)["switch_interval"] == pytest.approx(0.0001, abs=2e-6)


@pytest.mark.parametrize("seen_in", [serving, working])
def test_collections_are_rare_while_the_script_is_loaded_and_usual_while_it_runs(
    start: Start, seen_in: Any
) -> None:
    seen = seen_in(start, SEEN)
    assert seen["loading"][0] > seen["running"][0]
    assert seen["running"] == list(gc.get_threshold())
    own = seen_in(
        start, SEEN.replace("def init():\n", "def init():\n        gc.set_threshold(7)\n")
    )
    assert own["running"][0] == 7
