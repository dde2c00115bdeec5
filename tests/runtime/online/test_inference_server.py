"""The same scripts under Microsoft's inference server and ours: status, headers and bytes are
the same but for the differences that docs/inference-server.md lists, each with its reason."""

import re
from pathlib import Path

import pytest

from tests.runtime.compared import DIFFERENCES, ENDED, EVERYWHERE, SCRIPTS, differences
from tests.runtime.peers import ROOT, serving


@pytest.mark.parametrize("name", SCRIPTS)
def test_answers_differ_only_where_the_docs_say(
    name: str, inference_python: Path, tmp_path: Path
) -> None:
    compared = SCRIPTS[name]
    faults, everywhere = [], set(EVERYWHERE)
    with serving(inference_python, tmp_path, compared) as (theirs, ours):
        for case in compared.cases:
            said = [DIFFERENCES[key] for key in case.differs]
            found = differences(theirs.ask(case.ask), ours.ask(case.ask))
            everywhere -= {d for d in everywhere if any(d.covers(line) for line in found)}
            for line in found:
                if not any(known.covers(line) for known in (*EVERYWHERE, *said)):
                    faults.append(f"{case.name}: not in the docs: {line}")
            for known in said:
                if not any(known.covers(line) for line in found):
                    faults.append(f"{case.name}: no longer differs in {known.id}")
    assert not faults, "\n".join(faults)
    assert not everywhere


@pytest.mark.parametrize("name", ENDED)
def test_a_script_that_cannot_serve_ends_both_servers_with_3(
    name: str, inference_python: Path, tmp_path: Path
) -> None:
    with serving(inference_python, tmp_path, ENDED[name]) as (theirs, ours):
        assert theirs.process.poll() == 3, theirs.log.read_text()
        assert ours.process.poll() == 3, ours.log.read_text()


def test_the_docs_list_each_difference_once_with_a_reason() -> None:
    text = (ROOT / "docs" / "inference-server.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(DIFFERENCES)
    assert all(len(reason) > 20 for _, _, _, reason in rows)


def test_every_difference_shows_in_some_case() -> None:
    shown = {key for script in SCRIPTS.values() for case in script.cases for key in case.differs}
    assert shown | {difference.id for difference in EVERYWHERE} == set(DIFFERENCES)
