"""Two that join the results of one job at a time."""

from collections.abc import Mapping
from pathlib import Path

from domain.ground.messages import AdvanceJob
from domain.ports import UnitMiniBatch, UnitRequest
from tests.kit.composed import adapters, composed
from tests.kit.computes import AnyCapabilities, ToldCompute
from tests.kit.scorers import ScriptedScorer
from tests.kit.script_workers import Rows
from tests.kit.stages.batch_stage import BatchStage


def turned(request: UnitRequest, mini_batch: UnitMiniBatch, files: Mapping[str, bytes]) -> Rows:
    """Every other file's rows have their columns the other way round."""
    rows = [[name, content.decode()] for name, content in files.items()]
    if mini_batch.ordinal % 2:
        return Rows(("content", "input_file"), [row[::-1] for row in rows])
    return Rows(("input_file", "content"), rows)


async def test_what_another_host_has_aligned_meanwhile_is_not_aligned_once_more(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path, script=turned) as stage:
        await stage.deploy(mini_batch_size=1)
        await stage.upload({name: name[0] for name in ("a.txt", "b.txt", "c.txt", "d.txt")})
        other = composed(
            adapters(
                stage.store,
                stage.queue,
                stage.blobs,
                stage.clock,
                capabilities=AnyCapabilities(),
                serving=ToldCompute(),
                scorer=ScriptedScorer(),
                workers=stage.workers,
            ),
            stage.times,
        )
        commits: list[str] = []

        async def joined_beside(name: str, *_: object) -> None:
            if name == "commit_blocks":
                commits.append(name)
                if len(commits) == 1:
                    await other.jobs.supervision.advance(AdvanceJob(job=job))

        job = await stage.invoke(name="job")
        stage.mischief.after = joined_beside
        await stage.pump()
        assert commits
        lines = stage.output(await stage.view(job)).decode().splitlines()
        assert lines == ["input_file,content", *(f"{name}.txt,{name}" for name in "abcd")]
        await other.close()
