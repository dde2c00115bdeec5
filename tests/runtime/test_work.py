"""The mini-batch worker by its real command line: units in, events and one block out."""

import hashlib
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import Start
from tests.runtime.work_units import events, unit

LINES = """
    import os

    def init():
        pass

    def run(mini_batch):
        print("noise" * 1000)
        return [open(path).read() for path in mini_batch]

    def shutdown():
        open("shut", "w").close()
"""


def files(folder: Path, *texts: str) -> list[dict[str, str]]:
    inputs = []
    for number, text in enumerate(texts):
        path = folder / f"in {number}.txt"
        path.write_text(text)
        inputs.append({"name": f"inbox/in {number}.txt", "url": path.as_uri()})
    return inputs


def test_a_unit_reports_each_mini_batch_and_then_its_block(start: Start, tmp_path: Path) -> None:
    server = start(LINES, "work").ready()
    block = tmp_path / "new folder" / "block 1"
    inputs = files(tmp_path, "a", "b,c", "d")
    found = events(server, unit(inputs[:2], inputs[2:], block=block.as_uri()))
    content = b'inbox/in 0.txt,0,a\ninbox/in 1.txt,0,"b,c"\ninbox/in 2.txt,0,d\n'
    assert block.read_bytes() == content
    assert [event["event"] for event in found] == ["ended", "started", "ended", "block"]
    assert [event.get("ordinal") for event in found] == [7, 8, 8, None]
    assert found[0] | {"seconds": 0} == {
        "event": "ended",
        "ordinal": 7,
        "succeeded": True,
        "returned": 2,
        "tries": 1,
        "seconds": 0,
        "length": 42,
        "error": None,
        "log_excerpt": None,
    }
    assert found[-1] == {
        "event": "block",
        "rows": 3,
        "length": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "columns": ["input_file", "input_row", "prediction"],
        "types": [],
    }
    assert [path.name for path in block.parent.iterdir()] == ["block 1"]
    assert events(server, unit(inputs[:1], block=block.as_uri()))[-1]["rows"] == 1


def test_a_unit_without_rows_writes_no_block(start: Start, tmp_path: Path) -> None:
    server = start("def init(): pass\ndef run(mini_batch): return None\n", "work").ready()
    block = tmp_path / "block"
    found = events(server, unit(files(tmp_path, "a"), block=block.as_uri()))
    assert found[0]["succeeded"]
    assert found[-1] == {
        "event": "block",
        "rows": 0,
        "length": 0,
        "digest": "",
        "columns": [],
        "types": [],
    }
    assert not block.exists()
    found = events(server, unit(files(tmp_path, "a"), block=None, form="summary_only"))
    assert found[-1]["length"] == 0


def test_a_run_that_yields_its_rows_has_them_written(start: Start, tmp_path: Path) -> None:
    script = "def init(): pass\ndef run(mini_batch): yield from map(bool, mini_batch)\n"
    server = start(script, "work").ready()
    block = tmp_path / "block"
    found = events(server, unit(files(tmp_path, "a", "b"), block=block.as_uri()))
    assert (found[0]["returned"], found[-1]["rows"]) == (2, 2)
    assert block.read_text() == "inbox/in 0.txt,0,True\ninbox/in 1.txt,0,True\n"


def test_a_mini_batch_that_raises_is_tried_again_and_then_explained(
    start: Start, tmp_path: Path
) -> None:
    server = start(
        """
        import sys
        calls = []

        def init():
            pass

        def run(mini_batch):
            calls.append(1)
            text = open(mini_batch[0]).read()
            if text == "exit":
                sys.exit(1)
            if text == "flaky" and len(calls) < 3:
                raise OSError("not yet")
            if text == "bad":
                return worse(text)
            return [text]

        def worse(text):
            raise ValueError("cannot read\\n" + text)
        """,
        "work",
    ).ready()
    block = tmp_path / "block"
    inputs = files(tmp_path, "flaky", "bad", "exit", "good")
    found = events(server, unit(*([each] for each in inputs), block=block.as_uri(), tries=3))
    flaky, bad, left, good = (event for event in found if event["event"] == "ended")
    assert (flaky["succeeded"], flaky["tries"], flaky["error"]) == (True, 3, None)
    assert (bad["succeeded"], bad["tries"], bad["returned"]) == (False, 3, 0)
    assert bad["error"] == "ValueError: cannot read bad"
    assert "in worse" in bad["log_excerpt"]
    assert "units.py" not in bad["log_excerpt"]
    assert left["error"] == "SystemExit: 1"
    assert good["succeeded"]
    assert block.read_bytes() == b"inbox/in 0.txt,0,flaky\ninbox/in 3.txt,0,good\n"
    assert "ValueError: cannot read" in server.log


def test_each_further_try_is_told_so_that_its_time_limit_begins_anew(
    start: Start, tmp_path: Path
) -> None:
    script = "def init(): pass\ndef run(mini_batch): raise OSError('never')\n"
    server = start(script, "work").ready()
    block = (tmp_path / "block").as_uri()
    found = events(server, unit(files(tmp_path, "a"), block=block, tries=3))
    told = [event["event"] for event in found]
    assert told == ["retrying", "retrying", "ended", "block"]


@pytest.mark.parametrize(("strict", "succeeded"), [("", True), ("true", False)])
def test_a_short_return_fails_only_when_the_deployment_says_so(
    start: Start, tmp_path: Path, strict: str, succeeded: bool
) -> None:
    script = "def init(): pass\ndef run(mini_batch): return mini_batch[:1]\n"
    server = start(script, "work", env={"ML_ENDPOINTS_STRICT_RETURN": strict}).ready()
    block = (tmp_path / "block").as_uri()
    found = events(server, unit(files(tmp_path, "a", "b"), block=block, tries=2))
    [ended] = (event for event in found if event["event"] == "ended")
    assert ended["succeeded"] is succeeded
    assert ended["returned"] == 1
    assert ended["tries"] == (1 if succeeded else 2)


def test_formulas_are_escaped_only_when_the_deployment_says_so(
    start: Start, tmp_path: Path
) -> None:
    script = "def init(): pass\ndef run(mini_batch): return ['=1' for _ in mini_batch]\n"
    server = start(script, "work", env={"ML_ENDPOINTS_ESCAPE_FORMULAS": "true"}).ready()
    block = tmp_path / "block"
    events(server, unit(files(tmp_path, "a"), block=block.as_uri()))
    assert block.read_text().endswith(",0,'=1\n")


def test_what_cannot_be_rows_fails_its_mini_batch(start: Start, tmp_path: Path) -> None:
    script = "def init(): pass\ndef run(mini_batch): return 'text'\n"
    server = start(script, "work").ready()
    block = (tmp_path / "block").as_uri()
    ended = events(server, unit(files(tmp_path, "a"), block=block))[0]
    assert "not str" in ended["error"]


def as_planned(each: dict[str, str], revision: str = "") -> dict[str, str]:
    """With the ETag that the store on this machine gives the file."""
    found = Path(each["url"].removeprefix("file://").replace("%20", " ")).stat()
    numbers = (found.st_ino, found.st_mtime_ns, found.st_size)
    etag = "-".join(f"{number:X}" for number in numbers)
    return each | {"etag": f'"0x{etag}{revision}"'}


def test_a_file_that_changes_or_goes_while_the_script_runs_fails_its_mini_batch(
    start: Start, tmp_path: Path
) -> None:
    script = """
    import os

    def init():
        pass

    def run(mini_batch):
        print("called with", mini_batch[0])
        with open(mini_batch[0]) as file:
            word = file.read()
        if word == "changes":
            with open(mini_batch[0], "a") as file:
                file.write("!")
        if word in ("goes", "fails"):
            os.unlink(mini_batch[0])
        if word == "fails":
            raise OSError("where is it?")
        return [word]
    """
    server = start(script, "work").ready()
    given = [as_planned(each) for each in files(tmp_path, "changes", "goes", "fails", "stays")]
    # The store counts changes of metadata behind what the file shows.
    given[3] = as_planned(given[3], "-1A")
    block = tmp_path / "block"
    found = events(server, unit(*([each] for each in given), block=block.as_uri(), tries=3))
    ended = [event for event in found if event["event"] == "ended"]
    assert [(event["succeeded"], event["tries"]) for event in ended] == [
        *[(False, 1)] * 3,
        (True, 1),
    ]
    assert [event["error"] for event in ended[:3]] == [
        "The input 'inbox/in 0.txt' was changed after the job was planned.",
        "The input 'inbox/in 1.txt' was removed after the job was planned.",
        "The input 'inbox/in 2.txt' was removed after the job was planned.",
    ]
    assert block.read_bytes() == b"inbox/in 3.txt,0,stays\n"


def test_a_block_that_cannot_be_written_ends_the_stream_with_the_reason(
    start: Start, tmp_path: Path
) -> None:
    server = start(LINES, "work").ready()
    (tmp_path / "file").touch()
    block = (tmp_path / "file" / "block").as_uri()
    last = events(server, unit(files(tmp_path, "a"), block=block))[-1]
    assert last["event"] == "failed"
    assert "could not be written" in last["error"]


def test_one_unit_at_a_time_and_probes_meanwhile(start: Start, tmp_path: Path) -> None:
    server = start(
        """
        import os, time

        def init():
            pass

        def run(mini_batch):
            open("begun", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.005)
            return mini_batch
        """,
        "work",
    ).ready()
    body = unit(files(tmp_path, "a"), block=(tmp_path / "block").as_uri())
    with server.connect() as wire:
        wire.ask("POST", "/units", body)
        until((server.folder / "begun").exists, "a run of the script")
        assert server.health() == "Healthy"
        assert server.ask("POST", "/units", body).status == 409
        (server.folder / "go").touch()
        assert wire.head()[0] == 200
        assert b"ended" in wire.chunk()
        assert wire.chunk() == b""


def test_a_host_that_hangs_up_stops_the_unit_before_its_next_mini_batch(
    start: Start, tmp_path: Path
) -> None:
    server = start(
        """
        import os, time

        def init():
            pass

        def run(mini_batch):
            with open("calls", "a") as calls:
                calls.write("x")
            while not os.path.exists("go"):
                time.sleep(0.005)
        """,
        "work",
    ).ready()
    block = tmp_path / "block"
    inputs = files(tmp_path, "a")
    with server.connect() as wire:
        wire.ask("POST", "/units", unit(inputs, inputs, block=block.as_uri()))
        until((server.folder / "calls").exists, "a run of the script")
    server.health()
    (server.folder / "go").touch()
    until(
        lambda: server.ask("POST", "/units", unit(block=block.as_uri())).status == 200,
        "the worker is idle again",
    )
    assert (server.folder / "calls").read_text() == "x"
    assert not block.exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"mini_batches": 3}', b"\xff"])
def test_what_is_no_unit_is_refused(start: Start, body: bytes) -> None:
    server = start(LINES, "work").ready()
    reply = server.ask("POST", "/units", body)
    assert reply.status == 400
    assert reply.json["message"]
    no_block = b'{"mini_batches": [], "output_format": "csv", "block_url": null}'
    assert server.ask("POST", "/units", no_block).status == 400
    assert server.ask("GET", "/units").status == 405
    assert server.ask("GET", "/score").status == 404


def test_sigterm_finishes_the_unit_and_calls_shutdown(start: Start, tmp_path: Path) -> None:
    server = start(LINES, "work").ready()
    block = tmp_path / "block"
    with server.connect() as wire:
        wire.ask("POST", "/units", unit(files(tmp_path, "a"), block=block.as_uri()))
        assert wire.reply().status == 200
    server.terminate()
    assert server.exit_code() == 0
    assert (server.folder / "shut").exists()
    assert block.exists()


def test_who_has_the_end_of_a_unit_may_send_the_next(start: Start, tmp_path: Path) -> None:
    server = start("def init(): pass\ndef run(mini_batch): return [1]\n", "work").ready()
    body = unit(files(tmp_path, "a"), block=(tmp_path / "block").as_uri())
    with server.connect() as wire:
        for number in range(500):
            wire.ask("POST", "/units", body)
            assert wire.reply().status == 200, number
