"""Files that a job reads at web addresses."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from domain.assets.asset import DATA, DataVersionProperties
from domain.ground.access import trusted
from domain.ground.resource import Conditions
from domain.jobs.planning.job_planning import JobPlanning
from domain.jobs.planning.web_copies import WebCopies, file_name_of
from domain.jobs.records.job_plan import PlanReader
from domain.jobs.records.job_request import JobProperties, RequestedInput
from domain.jobs.records.job_times import JobTimes
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles
from tests.domain.jobs.invoking.inputs import ended, faults, file, inputs, lines
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage
from tests.kit.web_server import WebServer, reply, web_server

HERE = PublicWebFiles(OutboundAddresses([ip_network("127.0.0.1/32")]), max_bytes=2**20, max_time=10)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h.test/a/b%20c.csv?x=/y.txt", "b c.csv"),
        ("https://h.test/", "file"),
        ("https://h.test/..%2Fa.csv", "file.csv"),
        ("https://h.test/%00.parquet", "file.parquet"),
        (f"https://h.test/{'é' * 150}.csv", "file.csv"),
        ("https://h.test/..", "file"),
    ],
)
def test_a_web_file_is_called_what_its_address_says(url: str, name: str) -> None:
    assert file_name_of(url) == name


async def test_a_web_file_is_fetched_once_and_scored_like_a_blob(
    tmp_path: Path, server: WebServer
) -> None:
    async with BatchStage(tmp_path, web=HERE) as stage:
        await stage.deploy()
        before = [b.name async for b in stage.blobs.list("system")]
        url = server.file("/data/my%20file.txt", b"1\n2\n")
        found = inputs(web=file(f"{url}?sig=s3cret"), own="data")
        await stage.upload({"a.txt": "3\n"})
        view = await ended(stage, input_data=found)
        assert [line.split(",")[::2] for line in lines(stage, view)] == [
            ["web/my file.txt", "1"],
            ["web/my file.txt", "2"],
            ["own/a.txt", "3"],
        ]
        assert server.asked == ["/data/my%20file.txt?sig=s3cret"]
        overview = stage.output(view, f"{view.job.logs_folder}/job_progress_overview.txt")
        assert b"my%20file.txt" in overview
        assert b"s3cret" not in overview
        await stage.jobs.delete(view.job.name)
        await stage.pump()
        assert [b.name async for b in stage.blobs.list("system")] == before


async def test_a_data_asset_may_be_a_web_file(tmp_path: Path, server: WebServer) -> None:
    async with BatchStage(tmp_path, web=HERE) as stage:
        await stage.deploy()
        url = server.file("/rows.txt", b"1\n")
        data = DataVersionProperties(data_uri=url, data_type="uri_file")
        registration = stage.application.assets.registration
        await registration.put_version(DATA, "web", "1", data, "me", Conditions())
        view = await ended(stage, input_data=inputs(any=file("azureml:web:1")))
        assert [line.split(",")[0] for line in lines(stage, view)] == ["rows.txt"]


async def test_a_web_file_that_cannot_be_had_fails_the_job_and_one_that_returns_does_not(
    tmp_path: Path, server: WebServer
) -> None:
    async with BatchStage(tmp_path, web=HERE, times=JobTimes(web_pause=0.01)) as stage:
        await stage.deploy()
        view = await ended(stage, input_data=inputs(web=file(f"{server.url}/gone.txt?sig=x")))
        assert view.job.error is not None
        assert view.job.error.code == "InputUnreadable"
        assert "/gone.txt' cannot be read: it answered 404" in view.job.error.message
        statuses = [503, 500, 200]
        server.answers["/ill.txt"] = lambda request: reply(request, statuses.pop(0), b"1\n")
        view = await ended(stage, input_data=inputs(web=file(f"{server.url}/ill.txt")))
        assert len(lines(stage, view)) == 1


async def test_a_private_address_is_refused_at_once_and_a_web_folder_too(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        for uri, why in (
            ("http://example.com/a.csv", "https only"),
            ("https://169.254.169.254/metadata", "not a public address"),
        ):
            [fault] = await faults(stage, input_data=inputs(a=file(uri)))
            assert fault.target == "properties.inputData.a.uri"
            assert why in fault.message
        whole = RequestedInput(job_input_type="UriFolder", uri="https://example.com/data")
        [fault] = await faults(stage, input_data=inputs(a=whole))
        assert "HTTP, which has no listing" in fault.message


async def test_two_planners_at_once_read_one_copy(tmp_path: Path, server: WebServer) -> None:
    async with BatchStage(tmp_path, web=HERE) as stage:
        await stage.deploy()
        versions = iter([b"first\n", b"second\n"])
        server.answers["/x.txt"] = lambda request: reply(request, 200, next(versions))
        asked = JobProperties(input_data=inputs(web=file(f"{server.url}/x.txt")))
        job = (await stage.invocation.invoke(ENDPOINT, asked, caller=trusted("me"))).job
        copies = WebCopies(stage.blobs, HERE, pause=0.01)
        planning = JobPlanning(stage.blobs, copies, most_units=stage.times.most_units)
        one, other = await asyncio.gather(
            planning.plan(job, limit=10), planning.plan(job, limit=10)
        )
        reader = PlanReader(stage.blobs)
        [[of_one]] = await reader.files(job.name, one, range(1))
        [[of_other]] = await reader.files(job.name, other, range(1))
        assert of_one == of_other
        await stage.pump()
        [line] = lines(stage, await stage.view(job.name))
        assert line.split(",")[2] in ("first", "second")
