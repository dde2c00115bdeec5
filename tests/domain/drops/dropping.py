"""Dropping files on a stage, and what their jobs scored."""

from domain.jobs.batch_jobs import JobChoice, JobView
from tests.kit.mischief import Crash
from tests.kit.stages.batch_stage import ENDPOINT, BatchStage

INBOX = "batch-inbox"


async def drop(stage: BatchStage, *names: str, content: str = "x\n") -> None:
    for name in names:
        await stage.blobs.write(INBOX, f"{ENDPOINT}/{name}", content.encode())
        await tell(stage, name)


async def tell(stage: BatchStage, name: str) -> None:
    """As the host does: again and again until it went well."""
    while True:
        try:
            await arrive(stage, f"{ENDPOINT}/{name}")
            return
        except Crash:
            await stage.crash()


async def arrive(stage: BatchStage, name: str) -> None:
    """The blob comes to rest, or news of it comes once more."""
    blob = await stage.blobs.properties(INBOX, name)
    await stage.host.arrive(stage.blobs, INBOX, blob)


async def jobs(stage: BatchStage) -> list[JobView]:
    return (await stage.jobs.list(100, None, JobChoice()))[0]


def scored(stage: BatchStage, views: list[JobView]) -> list[str]:
    return sorted(
        line.split(",")[0]
        for view in views
        for line in stage.output(view).decode().splitlines()[1:]
    )
