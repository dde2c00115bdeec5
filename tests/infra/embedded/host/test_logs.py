"""The host's log."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from infra.embedded.host.invocation import begin, operation_id
from infra.embedded.host.logs import start_logging
from infra.telemetry.redaction import redact

TRACE = "0af7651916cd43dd8448eb211c80319c"


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "logs" / "host.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_says_whose_work_it_was(tmp_path: Path) -> None:
    out = io.StringIO()
    stop = start_logging("INFO", tmp_path, out)
    invocation = begin("score", f"00-{TRACE}-b7ad6b7169203331-01")
    assert operation_id() == TRACE
    logging.getLogger("some.where").info("did %s", "it", extra={"action": "scored", "rows": 3})
    stop()
    (line,) = lines(tmp_path)
    assert line["operation_id"] == TRACE
    assert line["function"] == "score"
    assert line["invocation_id"] == invocation.id
    assert (line["message"], line["action"], line["rows"]) == ("did it", "scored", 3)
    assert line["level"] == "INFO"
    assert json.loads(out.getvalue()) == line


def test_an_exception_comes_with_its_traceback_on_one_line(tmp_path: Path) -> None:
    stop = start_logging("INFO", tmp_path, io.StringIO())
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("some.where").exception("it failed")
    stop()
    (line,) = lines(tmp_path)
    assert "ValueError: broken" in line["exception"]
    assert "Traceback" in line["exception"]


def test_below_the_level_nothing_is_written(tmp_path: Path) -> None:
    stop = start_logging("WARNING", tmp_path, io.StringIO())
    logging.getLogger("some.where").info("quiet")
    stop()
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer s3cr3t-s3cr3t",
        "client_secret=s3cr3t-s3cr3t&grant_type=x",
        '{"primaryKey": "s3cr3t-s3cr3t"}',
        "GET https://h/blobs/c/n?sv=1&sig=s3cr3t-s3cr3t",
        "eyJs3cr3t-s3cr3t.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        "password: s3cr3t-s3cr3t",
    ],
)
def test_what_looks_like_a_secret_is_not_written(tmp_path: Path, text: str) -> None:
    stop = start_logging("INFO", tmp_path, io.StringIO())
    logging.getLogger("some.where").info("saw %s", text, extra={"detail": text})
    stop()
    assert "s3cr3t" not in (tmp_path / "logs" / "host.jsonl").read_text()


def test_plain_words_are_left_alone() -> None:
    text = "the key rotated; signature fits; basic set, bearer tokens"
    assert redact(text) == text
