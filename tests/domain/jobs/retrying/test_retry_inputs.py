"""A retry of a job over pieces of files, by bytes, and over copies of web files."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest

from domain.batch.mini_batch_cut import MiniBatchBy
from domain.ground.access import trusted
from domain.jobs.records.job_request import JobProperties, RequestedInput
from domain.ports import UnitMiniBatch, UnitRequest
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles
from tests.kit.script_workers import Rows, line_counts
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage
from tests.kit.web_server import WebServer, web_server

HERE = PublicWebFiles(OutboundAddresses([ip_network("127.0.0.1/32")]), max_bytes=2**20, max_time=10)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


class Picky:
    """Fails where a line is `bad`, until it is mended; rows are numbered by the piece read."""

    def __init__(self) -> None:
        self.bad = b"7\n"

    def __call__(
        self, request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]
    ) -> Rows:
        if self.bad and any(self.bad in content for content in files.values()):
            raise ValueError("bad")
        return line_counts(request, mini_batch, files)


async def retried(stage: BatchStage, job: str) -> list[str]:
    """The rows of a retry of `job`."""
    properties = JobProperties(retry_of=job)
    invoked = await stage.invocation.invoke(ENDPOINT, properties, caller=trusted("me"))
    await stage.pump()
    view = await stage.view(invoked.job.name)
    return stage.output(view, view.job.results.path).decode().splitlines()[1:]


@pytest.mark.parametrize("by", [MiniBatchBy.ROWS, MiniBatchBy.BYTES, MiniBatchBy.FILES])
async def test_pieces_of_a_file_that_failed_are_scored_and_joined(
    tmp_path: Path, by: MiniBatchBy
) -> None:
    script = Picky()
    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_by="Rows", mini_batch_size=4)
        await stage.upload({"a.csv": "h\n" + "".join(f"{n}\n" for n in range(30)), "b.csv": "h\n"})
        job = await stage.invoke()
        await stage.pump()
        view = await stage.view(job)
        assert view.progress is not None
        assert 0 < view.progress.tally.failed_mini_batches < view.progress.mini_batches
        await stage.assets_and_deployment(mini_batch_by=by)
        script.bad = b""
        rows = await retried(stage, job)
        own = [row.split(",")[2] for row in rows if row.split(",")[2] != "h"]
        assert own == [str(n) for n in range(30)]


async def test_copies_of_web_files_are_retried_when_the_first_job_is_gone(
    tmp_path: Path, server: WebServer
) -> None:
    script = Picky()
    async with BatchStage(tmp_path, script=script, web=HERE) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload({"a.txt": "1\n"})
        url = server.file("/w.txt", b"7\n8\n")
        uri = f"azureml://datastores/{STORE}/paths/data"
        asked = JobProperties(
            input_data={
                "own": RequestedInput(job_input_type="UriFolder", uri=uri),
                "web": RequestedInput(job_input_type="UriFile", uri=url),
            }
        )
        job = (await stage.invocation.invoke(ENDPOINT, asked, caller=trusted("me"))).job.name
        await stage.pump()
        again = JobProperties(retry_of=job)
        second = (await stage.invocation.invoke(ENDPOINT, again, caller=trusted("me"))).job.name
        await stage.pump()
        await stage.jobs.delete(job)
        script.bad = b""
        assert [row.split(",")[0] for row in await retried(stage, second)] == [
            "own/a.txt",
            "web/w.txt",
            "web/w.txt",
        ]
