"""Who has something stored, and where."""

from pathlib import Path

from domain.ledger.stored.stored_owners import StoredOwners
from domain.ports import BlobFolder
from domain.usage.blob_sizes import bytes_of
from tests.kit.stages.batch_stage import ENDPOINT, STORE, BatchStage

CODE = len(b"def run(mini_batch): ...\n")


async def test_jobs_have_what_they_left_and_endpoints_their_inbox(tmp_path: Path) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.deploy()
        await stage.upload({"a.txt": "a", "b.txt": "b"})
        job = await stage.invoke()
        owners = StoredOwners(stage.store, stage.application.assets.registration)
        assert f"jobs/{job}" not in [each.key async for each in owners.all()]
        await stage.pump()
        found = {each.key: each async for each in owners.all()}
        assert list(found) == [
            f"inbox/{ENDPOINT}",
            f"batchEndpoints/{ENDPOINT}/blue",
            f"jobs/{job}",
        ]
        inbox, deployment, run = found.values()
        assert (inbox.account.subject, inbox.changes) == (f"batchEndpoints/{ENDPOINT}", True)
        assert inbox.places == (BlobFolder("batch-inbox", ENDPOINT),)
        assert (deployment.known, deployment.places) == (CODE, ())
        assert (run.account.deployment, run.account.job, run.changes) == ("blue", job, False)
        written = [blob async for blob in stage.blobs.list(STORE, f"azureml/{job}/")]
        kept = [blob async for blob in stage.blobs.list("system", f"jobs/{job}/")]
        sizes = [await bytes_of(stage.blobs, each) for each in run.places]
        assert sum(sizes) == sum(blob.size for blob in (*written, *kept)) > 0


async def test_a_file_by_itself_is_looked_at_and_what_is_not_there_is_nothing(
    tmp_path: Path,
) -> None:
    async with BatchStage(tmp_path) as stage:
        await stage.blobs.write(STORE, "out/rows.csv", b"12345")
        await stage.blobs.write(STORE, "out/rows.csv.other", b"1")
        for path, size in (("out/rows.csv", 5), ("out", 6), ("other", 0)):
            assert await bytes_of(stage.blobs, BlobFolder(STORE, path)) == size
