"""A newer process says more in a running job's documents than this one knows: the job goes on here,
and nothing of that is lost."""

from pathlib import Path
from typing import Any

from domain.jobs.records import batch_job, batch_unit
from domain.jobs.records.job_status import JobStatus
from domain.ports import Document, Replace
from tests.kit.script_workers import line_counts
from tests.kit.stages.batch_stage import BatchStage

FILES = {f"{n:02}.txt": "one\ntwo\n" for n in range(12)}
ENTITIES = {batch_job.KIND: "job", batch_job.PROGRESS_KIND: "progress", batch_unit.KIND: "unit"}
MORE = {"said": ["by a newer process"]}


def with_more(entity: dict[str, Any]) -> dict[str, Any]:
    """It, and the values in it, with a field that is not known here."""
    inner = {
        name: {**value, "more": MORE}
        for name, value in entity.items()
        if name in ("settings", "output", "tally", "plan") and value is not None
    }
    return {**entity, **inner, "more": MORE}


def more_in(document: Document) -> set[str]:
    """Where in the entity of `document` that field stands."""
    entity = document.body[ENTITIES[document.body["kind"]]]
    inner = {name for name, value in entity.items() if isinstance(value, dict) and "more" in value}
    return inner | ({""} if entity.get("more") == MORE else set())


async def documents(stage: BatchStage) -> list[Document]:
    return [d for kind in ENTITIES for d in (await stage.store.query(kind)).documents]


async def test_what_a_newer_process_says_of_a_running_job_outlasts_this_one(
    tmp_path: Path,
) -> None:
    done: list[str] = []

    def script(request: Any, mini_batch: Any, files: Any) -> Any:
        done.extend(files)
        return line_counts(request, mini_batch, files)

    async with BatchStage(tmp_path, script=script) as stage:
        await stage.deploy(mini_batch_size=1, max_concurrency_per_instance=2)
        await stage.upload(FILES)
        name = await stage.invoke()
        await stage.pump(lambda: len(done) >= 5)
        said: dict[str, set[str]] = {}
        for document in await documents(stage):
            key = ENTITIES[document.body["kind"]]
            body = {**document.body, key: with_more(document.body[key])}
            write = Replace(document.id, body, document.etag, due_at=document.due_at)
            [written] = await stage.store.transact(document.partition, [write])
            assert written is not None
            said[document.id] = more_in(written)
        assert said["job"] == {"", "settings", "output", "plan"}
        assert said["progress"] == {"", "tally"}

        await stage.pump()
        view = await stage.view(name)
        assert view.job.status is JobStatus.COMPLETED
        assert len(stage.output(view).splitlines()) == 1 + 2 * len(FILES)
        kept = {document.id: more_in(document) for document in await documents(stage)}
        assert {id: kept[id] for id in said} == said
        assert len(said) > 2 + 5
