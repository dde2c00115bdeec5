"""Files dropped into the inbox folder."""

import contextlib
import itertools
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import PATIENCE, until

HOST_ENVIRONMENT = {"ML_ENDPOINTS_DROP_QUIET_PERIOD": "3600"}
"""Two files that are dropped one after the other are one drop, whatever the pace: it is sealed
by a marker, or by options that ask for less patience."""
IMPATIENT = '{"quietPeriod": "PT1S"}'


@pytest.fixture(scope="module", autouse=True)
def endpoint(host: RunningHost) -> None:
    for name in ("quiet", "again", "deep", "late", "opted", "signed", "slow"):
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


def seal(host: RunningHost, endpoint: str) -> None:
    """What lies in the endpoint's folder is complete."""
    drop(host, f"{endpoint}/_SUCCESS", f"{next(_seals)}")


_seals = itertools.count()


def test_files_that_come_for_a_while_are_scored_once_it_is_quiet(host: RunningHost) -> None:
    """In one job, as tests/domain/drops/test_blob_dropping.py has it on a clock of its own; here
    it may be quiet between any two."""
    drop(host, "quiet/_endpoint.json", IMPATIENT)
    names = [f"{number:02}.csv" for number in range(30)]
    for name in names:
        drop(host, f"quiet/{name}", f"row of {name}")
    assert until(lambda: _all_scored(host, "quiet", 30)) == names
    assert {job["systemData"]["createdBy"] for job in jobs(host, "quiet")} == {"blob-drop"}


def test_a_marker_seals_a_drop_at_once_and_late_files_go_into_the_next(host: RunningHost) -> None:
    batch.batch(host, "marked")
    drop(host, "marked/one.csv", "1")
    drop(host, "marked/two.csv", "2")
    seal(host, "marked")
    assert scored(host, "marked", 1) == ["one.csv", "two.csv"]
    drop(host, "marked/late.csv", "3")
    seal(host, "marked")
    assert scored(host, "marked", 2) == ["late.csv"]


def test_a_file_is_scored_once_unless_it_changes(host: RunningHost) -> None:
    drop(host, "again/same.csv", "same")
    drop(host, "again/changed.csv", "before")
    seal(host, "again")
    assert scored(host, "again", 1) == ["changed.csv", "same.csv"]
    drop(host, "again/changed.csv", "after")
    seal(host, "again")
    assert scored(host, "again", 2) == ["changed.csv"]
    drop(host, "again/new.csv", "new")
    seal(host, "again")
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
    seal(host, "deep")
    assert scored(host, "deep", 1) == [
        "2024/01/a.csv",
        "2024/02/a.csv",
        "with space, comma & é.csv",
    ]


def test_options_lie_in_the_folder_and_broken_ones_are_told_beside_them(
    host: RunningHost,
) -> None:
    error = host.inbox / "opted" / "_endpoint.error.txt"
    drop(host, "opted/_endpoint.json", '{"maxFiles": "many"}')
    until(error.exists, what="an error file")
    assert "maxFiles: " in error.read_text()
    drop(host, "opted/a.csv", "kept")
    drop(host, "opted/b.txt", "left out")
    seal(host, "opted")
    until(lambda: "Files dropped for endpoint 'opted' wait" in host.log())
    assert jobs(host, "opted") == []
    drop(
        host,
        "opted/_endpoint.json",
        '{"include": ["**/*.csv"], "job": {"miniBatchSize": 7, "outputFileName": "mine.csv"}}',
    )
    assert scored(host, "opted", 1) == ["a.csv"]
    [job] = jobs(host, "opted")
    assert job["properties"]["outputs"]["score"]["uri"].endswith("/mine.csv")
    assert not error.exists()


def test_files_and_options_put_by_azure_s_client_are_a_drop_like_any_other(
    host: RunningHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", host.connection["ca_file"])
    told = host.workspace.get("datastores/batchinbox")["properties"]
    token = host.workspace.call("POST", "datastores/batchinbox/listSecrets").json()["sasToken"]
    address = f"{told['protocol']}://{told['endpoint']}/{told['containerName']}?{token}"
    with ContainerClient.from_container_url(
        address, retry_total=0, connection_timeout=PATIENCE, read_timeout=PATIENCE
    ) as inbox:
        inbox.upload_blob("signed/_endpoint.yaml", b"quiet_period: 3600\nmax_files: 3\n")
        inbox.upload_blob("signed/a.csv", b"a")
        inbox.upload_blob("signed/deep/b.csv", b"b")
        inbox.upload_blob("signed/c.csv", b"c")
        assert scored(host, "signed", 1) == ["a.csv", "c.csv", "deep/b.csv"]
        inbox.upload_blob("signed/a.csv", b"changed", overwrite=True)
        inbox.upload_blob("signed/_SUCCESS", b"")
        assert scored(host, "signed", 2) == ["a.csv"]


def test_drops_go_on_where_a_killed_host_left_them(fleet: Fleet, tmp_path: Path) -> None:
    with fleet.hosting(tmp_path / "data", environment=HOST_ENVIRONMENT) as host:
        serving.environment(host)
        batch.batch(host, "killed")
        drop(host, "killed/before.csv", "1")
        until(lambda: _gathers(host, "killed"), what="an arrival")
        host.kill()
        drop(host, "killed/while-down.csv", "2")
        host.start()
        drop(host, "killed/after.csv", "3")
        seal(host, "killed")
        assert scored(host, "killed", 1) == ["after.csv", "before.csv", "while-down.csv"]


def _gathers(host: RunningHost, endpoint: str) -> bool:
    database = sqlite3.connect(f"file:{host.data_dir / 'documents.db'}?mode=ro", uri=True)
    with contextlib.closing(database):
        query = "SELECT 1 FROM documents WHERE kind = 'blobArrival' AND partition = ?"
        return database.execute(query, (f"drops/{endpoint}",)).fetchone() is not None


def _all_scored(host: RunningHost, endpoint: str, count: int) -> list[str] | None:
    """The files of every job there is, once there are so many and all jobs have ended."""
    found: list[str] = []
    for job in jobs(host, endpoint):
        shown = batch.job(host, job["name"])
        if shown["status"] != "Completed":
            return None
        found += [name for name, _, _ in batch.rows(host, shown)]
    return sorted(found) if len(found) >= count else None


def test_files_for_an_endpoint_that_comes_later_are_kept_for_it(host: RunningHost) -> None:
    drop(host, "later/_endpoint.json", IMPATIENT)
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


def test_a_file_that_is_written_on_after_a_rest_is_not_taken_half(host: RunningHost) -> None:
    """Written without a rest it is not even looked at: test_folder_watch.py has that on a clock
    of its own."""
    target = host.inbox / "slow" / "slow.csv"
    target.parent.mkdir()
    with target.open("w") as file:
        file.write("first\n" * 15)
        file.flush()
        until(lambda: _gathers(host, "slow"), "an arrival of the first half")
        file.write("second\n" * 15)
    seal(host, "slow")
    until(lambda: jobs(host, "slow"))
    shown = batch.ended(host, jobs(host, "slow")[0]["name"])
    assert [row for _, _, row in batch.rows(host, shown)] == ["FIRST"] * 15 + ["SECOND"] * 15
    assert len(jobs(host, "slow")) == 1


def test_a_folder_moved_in_whole_and_one_taken_away_again(host: RunningHost) -> None:
    batch.batch(host, "moved")
    aside = host.data_dir.parent / "aside"
    (aside / "in").mkdir(parents=True)
    for number in range(5):
        (aside / "in" / f"{number}.csv").write_text("x")
    os.replace(aside, host.inbox / "moved")
    seal(host, "moved")
    assert scored(host, "moved", 1) == [f"in/{number}.csv" for number in range(5)]
    shutil.rmtree(host.inbox / "moved")
    drop(host, "moved/after.csv", "x")
    seal(host, "moved")
    assert scored(host, "moved", 2) == ["after.csv"]
