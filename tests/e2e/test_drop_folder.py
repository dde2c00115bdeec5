"""Files dropped into the inbox folder."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import scoring_files as batch
from tests.e2e import serving
from tests.e2e.running_host import RunningHost, until

HOST_ENVIRONMENT = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": "1"}


@pytest.fixture(scope="module", autouse=True)
def endpoint(host: RunningHost) -> None:
    for name in ("quiet", "again", "deep", "late"):
        batch.batch(host, name)


def jobs(host: RunningHost, endpoint: str) -> list[dict[str, Any]]:
    """Oldest first."""
    found: list[dict[str, Any]] = host.workspace.get(f"batchEndpoints/{endpoint}/jobs")["value"]
    return sorted(found, key=lambda each: str(each["systemData"]["createdAt"]))


def drop(host: RunningHost, path: str, text: str) -> Path:
    """As a careful user drops a file: renamed into place whole."""
    target = host.inbox / path
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = host.data_dir.parent / "beside"
    beside.write_text(text)
    os.replace(beside, target)
    return target


def scored(host: RunningHost, endpoint: str, number: int) -> list[str]:
    """The input files of the `number`th job, which has to be the last, once it has ended."""
    until(lambda: len(jobs(host, endpoint)) >= number, what=f"job {number} of {endpoint}")
    shown = batch.ended(host, jobs(host, endpoint)[number - 1]["name"])
    assert shown["status"] == "Completed", shown
    assert len(jobs(host, endpoint)) == number
    return [name for name, _, _ in batch.rows(host, shown)]


def test_files_that_come_for_a_while_become_one_job_once_it_is_quiet(host: RunningHost) -> None:
    for number in range(30):
        drop(host, f"quiet/{number:02}.csv", f"row {number}")
    assert scored(host, "quiet", 1) == [f"{number:02}.csv" for number in range(30)]
    [job] = jobs(host, "quiet")
    assert job["systemData"]["createdBy"] == "blob-drop"


def test_a_marker_seals_a_drop_at_once_and_late_files_go_into_the_next(tmp_path: Path) -> None:
    patient = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": "3600"}
    with RunningHost(tmp_path / "data", environment=patient) as host:
        serving.environment(host)
        batch.batch(host, "marked")
        drop(host, "marked/one.csv", "1")
        drop(host, "marked/two.csv", "2")
        drop(host, "marked/_SUCCESS", "")
        assert scored(host, "marked", 1) == ["one.csv", "two.csv"]
        drop(host, "marked/late.csv", "3")
        drop(host, "marked/_SUCCESS", "again")
        assert scored(host, "marked", 2) == ["late.csv"]


def test_a_file_is_scored_once_unless_it_changes(host: RunningHost) -> None:
    drop(host, "again/same.csv", "same")
    drop(host, "again/changed.csv", "before")
    assert scored(host, "again", 1) == ["changed.csv", "same.csv"]
    drop(host, "again/changed.csv", "after")
    assert scored(host, "again", 2) == ["changed.csv"]
    drop(host, "again/new.csv", "new")
    assert scored(host, "again", 3) == ["new.csv"]


def test_nested_folders_odd_names_and_what_is_no_input(host: RunningHost) -> None:
    drop(host, "deep/2024/01/a.csv", "a")
    drop(host, "deep/2024/02/a.csv", "b")
    drop(host, "deep/with space, comma & é.csv", "c")
    drop(host, "deep/.hidden", "x")
    drop(host, "deep/half.tmp", "x")
    drop(host, "deep/.git/config", "x")
    os.symlink("/etc/passwd", host.inbox / "deep" / "link.csv")
    os.mkfifo(host.inbox / "deep" / "pipe.csv")
    assert scored(host, "deep", 1) == [
        "2024/01/a.csv",
        "2024/02/a.csv",
        "with space, comma & é.csv",
    ]


def test_files_for_an_endpoint_that_comes_later_are_kept_for_it(host: RunningHost) -> None:
    path = drop(host, "later/kept.csv", "kept")
    drop(host, "not a name/x.csv", "x")
    drop(host, "stray.csv", "x")
    until(lambda: "Files dropped for endpoint 'later' wait" in host.log())
    until(lambda: "outside any endpoint's folder" in host.log())
    assert path.exists()
    batch.batch(host, "later")
    assert scored(host, "later", 1) == ["kept.csv"]


def test_an_empty_drop_is_said_and_starts_nothing(host: RunningHost) -> None:
    drop(host, "late/_SUCCESS", "")
    until(lambda: "was complete and had no file to score" in host.log())
    assert not jobs(host, "late")


def test_a_file_written_slowly_is_not_taken_half(host: RunningHost) -> None:
    target = host.inbox / "late" / "slow.csv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w") as file:
        for number in range(30):
            file.write(f"{number}\n")
            file.flush()
            time.sleep(0.1)
    until(lambda: jobs(host, "late"))
    shown = batch.ended(host, jobs(host, "late")[0]["name"])
    assert len(batch.rows(host, shown)) == 30
    assert len(jobs(host, "late")) == 1


def test_a_folder_moved_in_whole_and_one_taken_away_again(host: RunningHost) -> None:
    batch.batch(host, "moved")
    aside = host.data_dir.parent / "aside"
    (aside / "in").mkdir(parents=True)
    for number in range(5):
        (aside / "in" / f"{number}.csv").write_text("x")
    os.replace(aside, host.inbox / "moved")
    assert scored(host, "moved", 1) == [f"in/{number}.csv" for number in range(5)]
    shutil.rmtree(host.inbox / "moved")
    drop(host, "moved/after.csv", "x")
    assert scored(host, "moved", 2) == ["after.csv"]
