"""A file in an endpoint's folder says how its drops are gathered and scored."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.drops.drop_options import DropOptions, parse
from domain.errors import Invalid
from domain.jobs.records.job_status import JobStatus
from infra.settings.features import DropSettings
from tests.domain.drops.dropping import INBOX, drop, jobs, scored, tell
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

ERROR = f"blobs/{INBOX}/{ENDPOINT}/_endpoint.error.txt"


async def say(stage: BatchStage, content: Any, name: str = "_endpoint.json") -> None:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    data = text.encode() if isinstance(text, str) else text
    await stage.blobs.write(INBOX, f"{ENDPOINT}/{name}", data)
    await tell(stage, name)


async def test_options_choose_deployment_output_format_and_files(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        uri = "azureml://datastores/workspaceblobstore/paths/results/${{name}}/out.txt"
        job = {"mini_batch_size": 2, "output_format": "text", "tags": {"from": "drop"}}
        job["output_data"] = {"score": {"uri": uri}}
        content = f"deployment: blue\ninclude: ['*.txt', 'deep/**/*.txt']\njob: {json.dumps(job)}\n"
        await say(stage, content, "_endpoint.yaml")
        await drop(stage, "a.txt", "b.csv", "deep/er/c.txt", "other/d.txt")
        await stage.pump()
        [view] = await jobs(stage)
        found = view.job
        assert found.status is JobStatus.COMPLETED
        assert found.settings.mini_batch_size == 2
        assert found.output.path == f"results/{found.name}/out.txt"
        assert found.tags == {"from": "drop"}
        assert found.properties["ml_endpoints.drop"] == found.name
        assert stage.output(view) == b"a.txt 0 x 1\ndeep/er/c.txt 0 x 1\n"
        await drop(stage, "b.csv")
        await stage.pump()
        assert len(await jobs(stage)) == 1, "what was left out is not scored later"


async def test_a_drop_has_the_patience_its_options_ask_for(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, {"quietPeriod": "PT60S"})
        begun = stage.clock.time
        await drop(stage, "a.txt")
        await stage.pump()
        [view] = await jobs(stage)
        assert view.job.created_at.timestamp() - begun >= 60


async def test_options_that_come_with_the_first_files_count_for_them(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        begun = stage.clock.time
        await drop(stage, "A.txt")
        await say(stage, {"quiet_period": 60})
        await stage.pump()
        [view] = await jobs(stage)
        assert view.job.created_at.timestamp() - begun >= 60


async def test_a_change_of_options_is_for_the_next_drop(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, {"job": {"miniBatchSize": 3}})
        await drop(stage, "a.txt")
        await say(stage, {"job": {"miniBatchSize": 4}})
        await stage.pump()
        await drop(stage, "b.txt")
        await stage.pump()
        sizes = [v.job.settings.mini_batch_size for v in await jobs(stage)]
        assert sorted(sizes) == [3, 4]


async def test_a_drop_is_sealed_as_soon_as_it_is_full(tmp_path: Path) -> None:
    limits = DropSettings(quiet_period=1000, max_wait=5000)
    async with BatchStage(tmp_path, drops=limits) as stage:
        await stage.deploy()
        await say(stage, {"maxFiles": 3})
        begun = stage.clock.time
        await drop(stage, *(f"{i}.txt" for i in range(7)))
        await stage.pump(until=lambda: len(stage.started) >= 2)
        assert stage.clock.time - begun < 100
        await stage.pump()
        views = await jobs(stage)
        assert sorted(v.job.plan.files for v in views if v.job.plan) == [1, 3, 3]
        assert scored(stage, views) == [f"{i}.txt" for i in range(7)]


async def test_a_drop_is_sealed_by_its_bytes_and_one_file_always_fits(tmp_path: Path) -> None:
    limits = DropSettings(quiet_period=1000, max_wait=5000, max_bytes=10)
    async with BatchStage(tmp_path, drops=limits) as stage:
        await stage.deploy()
        await drop(stage, "large.txt", content="x" * 50 + "\n")
        await stage.pump()
        await drop(stage, *(f"{i}.txt" for i in range(6)), content="xxxx\n")
        await stage.pump()
        files = [v.job.plan.files for v in await jobs(stage) if v.job.plan]
        assert sorted(files) == [1, 2, 2, 2]


BROKEN: list[tuple[str, Any, str]] = [
    ("_endpoint.json", "{", "not valid JSON"),
    ("_endpoint.json", "[" * 20_000, "nests too deeply"),
    ("_endpoint.json", "[1]", "one mapping"),
    ("_endpoint.json", b"\xff\xfe\x00", "not UTF-8"),
    ("_endpoint.json", " " * 70_000, "more than 65536 bytes"),
    ("_endpoint.json", {"quietPeriod": "soon", "maxFiles": 0}, "maxFiles: "),
    ("_endpoint.json", {"quitePeriod": 1}, "quitePeriod: there is no such option"),
    (
        "_endpoint.json",
        {"job": {"inputData": {"a": {"jobInputType": "UriFile"}}}},
        "leave out input_data",
    ),
    ("_endpoint.json", {"job": {"name": "mine"}}, "leave out name"),
    (
        "_endpoint.json",
        {"job": {"name": "mine", "dataset": {"dataInputType": "DataUrl"}}},
        "leave out dataset, name",
    ),
    ("_endpoint.json", {"include": ["../*.csv"]}, "include"),
    ("_endpoint.json", '{"maxWait": NaN}', "maxWait"),
    ("_endpoint.yml", "a: &x [1]\nb: *x\n", "anchors or aliases"),
    ("_endpoint.yml", "a: b: c", "not valid YAML"),
    ("_endpoint.yaml", "!!python/object/apply:os.system ['true']", "not valid YAML"),
]


@pytest.mark.parametrize(("name", "content", "told"), BROKEN)
def test_broken_options_are_refused_with_the_reason(name: str, content: Any, told: str) -> None:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    with pytest.raises(Invalid, match=told):
        parse(text.encode() if isinstance(text, str) else text, name)


def test_empty_options_are_none_in_particular() -> None:
    assert parse(b"", "_endpoint.yaml") == DropOptions() == parse(b"{}", "_endpoint.json")


async def test_broken_options_hold_files_up_and_lose_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, "{")
        assert "_endpoint.json is not valid JSON" in (tmp_path / ERROR).read_text()
        assert "are refused: _endpoint.json is not valid JSON" in caplog.text
        await drop(stage, "a.txt")
        begun = stage.clock.time
        await stage.pump(until=lambda: stage.clock.time > begun + 200)
        assert await jobs(stage) == []
        assert "wait: _endpoint.json is not valid JSON" in caplog.text
        await say(stage, {"deployment": "green"})
        await stage.pump(until=lambda: stage.clock.time > begun + 400)
        assert "green" in (tmp_path / ERROR).read_text()
        await drop(stage, "b.txt")
        await say(stage, {"job": {"miniBatchSize": 7}})
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == ["a.txt", "b.txt"]
        assert view.job.settings.mini_batch_size == 7
        assert not (tmp_path / ERROR).exists()


async def test_a_misspelt_option_hides_no_other_fault(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        job = {"miniBatchSise": 4, "outputData": {"score": {"uri": "https://elsewhere.test/x"}}}
        options = {"quitePeriod": 5, "max_files": 0, "deployment": "blue", "job": job}
        await say(stage, options)
        told = (tmp_path / ERROR).read_text()
        assert "quitePeriod: there is no such option" in told
        assert "max_files: " in told
        assert "job.miniBatchSise: there is no such option" in told
        assert "'https://elsewhere.test/x'" in told
        await say(stage, {**options, "deployment": "green"})
        told = (tmp_path / ERROR).read_text()
        assert "quitePeriod: there is no such option" in told
        assert "green" in told


async def test_options_that_no_job_can_go_by_are_told_before_files_come(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, {"deployment": "green"})
        assert "green" in (tmp_path / ERROR).read_text()
        await say(stage, {"deployment": "blue"})
        assert not (tmp_path / ERROR).exists()


async def test_an_output_in_use_holds_a_sealed_drop_up_until_it_is_mended(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        uri = "azureml://datastores/workspaceblobstore/paths/out.csv"
        await say(stage, {"job": {"outputData": {"score": {"uri": uri}}}})
        await stage.blobs.write("workspaceblobstore", "out.csv", b"here")
        await drop(stage, "a.txt")
        begun = stage.clock.time
        await stage.pump(until=lambda: stage.clock.time > begun + 100)
        assert "Something is at" in (tmp_path / ERROR).read_text()
        await say(stage, {})
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == ["a.txt"]
        assert not (tmp_path / ERROR).exists()


async def test_two_option_files_are_one_too_many(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, {})
        await say(stage, "", "_endpoint.yaml")
        assert "keep one" in (tmp_path / ERROR).read_text()
        await stage.blobs.delete(INBOX, f"{ENDPOINT}/_endpoint.yaml")
        await drop(stage, "a.txt")
        await stage.pump()
        assert len(await jobs(stage)) == 1
        assert not (tmp_path / ERROR).exists()


async def test_what_was_told_goes_when_a_drop_ends_with_options_that_can_be_read(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await drop(stage, "a.txt")
        await say(stage, "", "_endpoint.yaml")
        await say(stage, {})
        assert "keep one" in (tmp_path / ERROR).read_text()
        await stage.blobs.delete(INBOX, f"{ENDPOINT}/_endpoint.json")
        await stage.pump()
        assert len(await jobs(stage)) == 1
        assert not (tmp_path / ERROR).exists()


async def test_options_and_errors_are_never_scored(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, {})
        await drop(stage, "a.txt", "_endpoint.error.txt", "deep/_endpoint.json", "_SUCCESS")
        await stage.pump()
        [view] = await jobs(stage)
        assert scored(stage, [view]) == ["a.txt"]


async def test_an_unknown_expression_is_told(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await say(stage, {"job": {"displayName": "${{nobody}}"}})
        await drop(stage, "a.txt")
        begun = stage.clock.time
        await stage.pump(until=lambda: stage.clock.time > begun + 50)
        assert (
            "'${{nobody}}' is not known here; there are ${{name}}" in (tmp_path / ERROR).read_text()
        )
