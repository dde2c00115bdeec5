"""A batch job from invoke to its output, on the embedded adapters."""

from pathlib import Path

from domain.jobs.records.job_status import JobStatus
from tests.kit.stages.batch_stage import BatchStage

FILES = {f"part-{i:02d}.csv": f"{i},a\n{i},b\n" for i in range(7)}


def expected(files: dict[str, str]) -> bytes:
    lines = ["input_file,input_row,line,length"]
    for name in sorted(files):
        for row, line in enumerate(files[name].splitlines()):
            quoted = f'"{line}"' if "," in line else line
            lines.append(f"{name},{row},{quoted},{len(line)}")
    return ("\n".join(lines) + "\n").encode()


async def test_a_job_joins_the_rows_of_its_files_in_input_order(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy(mini_batch_size=2, max_concurrency_per_instance=3)
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.COMPLETED
        assert stage.output(view) == expected(FILES)
