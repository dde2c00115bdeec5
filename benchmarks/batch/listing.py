"""How long listing a container takes that has very many blobs, and what of the processor.

    python -m benchmarks.batch.listing [--blobs 1000000] [--folders 1] [--latency 0.15]
        [--plan [--inventory]]

A server in a process of its own writes pages of 5,000 as the Blob service does, each `--latency`
seconds after it was asked. The adapter lists them all; a task looks how late the loop comes to it.
With `--plan` a job is planned of them, whose manifests are files here; by an inventory, a file
here, too, instead of a listing with `--inventory`. What ten million blobs, in a
hundred times as many folders or as many, would take is extrapolated.
"""

import argparse
import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AzureNamedKeyCredential

from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.jobs.invoking.job_outputs import default_output
from domain.jobs.planning.job_planning import JobPlanning
from domain.jobs.planning.web_copies import WebCopies
from domain.jobs.records.batch_job import BatchJob, InputKind, JobInput, JobInventory
from domain.jobs.records.job_times import JobTimes
from domain.ports import BlobProperties
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles

PAGE = 5000
_BLOB = (
    "<Blob><Name>{name}</Name><Properties>"
    "<Creation-Time>Mon, 09 Nov 2026 07:05:03 GMT</Creation-Time>"
    "<Last-Modified>Mon, 09 Nov 2026 07:05:03 GMT</Last-Modified>"
    "<Etag>0x8DC{n:09X}"
    "</Etag><Content-Length>12</Content-Length><Content-Type>text/csv</Content-Type>"
    "<Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5>x==</Content-MD5>"
    "<Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType>"
    "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
    "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
    "<ServerEncrypted>true</ServerEncrypted></Properties><Metadata /><OrMetadata /></Blob>"
)


class Container:
    """`blobs` in `folders` of as many each; all below `data/` where there is one."""

    def __init__(self, blobs: int, folders: int) -> None:
        self._blobs = blobs
        self._folders = folders
        self._each = -(-blobs // folders)

    def _name(self, n: int) -> str:
        folder = "" if self._folders == 1 else f"{n // self._each:04d}/"
        return f"data/{folder}part-{n:09d}.csv"

    def page(self, prefix: str, marker: str, by_level: bool) -> bytes:
        if by_level and self._folders > 1 and prefix == "data/":
            names = (f"data/{n:04d}/" for n in range(self._folders))
            found = "".join(f"<BlobPrefix><Name>{name}</Name></BlobPrefix>" for name in names)
            return _written(found, "")
        begin, end = 0, self._blobs
        if self._folders > 1 and prefix != "data/":
            begin = int(prefix.split("/")[1]) * self._each
            end = min(begin + self._each, end)
        first = int(marker or begin)
        last = min(first + PAGE, end)
        found = "".join(_BLOB.format(name=self._name(n), n=n) for n in range(first, last))
        return _written(found, str(last) if last < end else "")


def _written(found: str, marker: str) -> bytes:
    more = f"<NextMarker>{marker}</NextMarker>" if marker else "<NextMarker />"
    return f"<EnumerationResults><Blobs>{found}</Blobs>{more}</EnumerationResults>".encode()


def serve(blobs: int, folders: int, latency: float, ready: Connection) -> None:
    container = Container(blobs, folders)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            asked = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
            due = time.monotonic() + latency
            prefix, marker = asked.get("prefix", [""])[0], asked.get("marker", [""])[0]
            body = container.page(prefix, marker, "delimiter" in asked)
            await asyncio.sleep(max(due - time.monotonic(), 0))
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            await writer.drain()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Listed(FileBlobStore):
    """Files here, but for what the adapter lists."""

    def __init__(self, folder: Path, listed: AzureBlobStore) -> None:
        super().__init__(folder, base_url="https://example.test", key=lambda: b"k" * 32)
        self._listed = listed

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobProperties]:
        return self._listed.list(container, prefix)


async def listed(store: AzureBlobStore) -> int:
    count = 0
    async for _ in store.list("data", "data/"):
        count += 1
    return count


def write_inventory(folder: Path, blobs: int) -> None:
    place = folder / "blobs" / "data"
    place.mkdir(parents=True)
    with (place / "inventory.csv").open("w") as file:
        file.write("Name,Etag,Content-Length\n")
        for n in range(blobs):
            file.write(f"data/data/part-{n:09d}.csv,0x8DC{n:09X},12\n")


async def planned(store: AzureBlobStore, inventory: int) -> int:
    """By an inventory of so many; 0: by listing."""
    web = PublicWebFiles(OutboundAddresses(()), max_bytes=1, max_time=1)
    listed = JobInventory(uri="", container="data", path="inventory.csv") if inventory else None
    data = JobInput(kind=InputKind.FOLDER, uri="", container="data", path="data", inventory=listed)
    job = BatchJob(
        name="job",
        endpoint="e",
        deployment="d",
        settings=BatchDeploymentProperties(mini_batch_size=50),
        inputs=(data,),
        output=default_output("job", "predictions.csv"),
        created_at=datetime.now(UTC),
        created_by="me",
    )
    times = JobTimes()
    with tempfile.TemporaryDirectory() as folder:
        if inventory:
            write_inventory(Path(folder), inventory)
        blobs = Listed(Path(folder), store)
        copies = WebCopies(blobs, web, pause=times.web_pause)
        plan = await JobPlanning(blobs, copies, most_units=times.most_units).plan(job, limit=3600)
        await blobs.close()
    return plan.files


async def measure(port: int, work: Callable[[AzureBlobStore], Awaitable[int]]) -> None:
    late = 0.0

    async def watch() -> None:
        nonlocal late
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.005)
            late = max(late, time.perf_counter() - asked - 0.005)

    key = AzureNamedKeyCredential("account", "a2V5")
    store = AzureBlobStore(f"http://127.0.0.1:{port}/account", key)
    watching = asyncio.create_task(watch())
    started, busy = time.perf_counter(), time.process_time()
    count = await work(store)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    a_page, worst = busy / count * PAGE * 1000, late * 1000
    watching.cancel()
    await store.close()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{count:,} blobs in {seconds:.1f} s, {busy:.1f} s of processor ({a_page:.0f} ms a page),"
        f" the loop {worst:.0f} ms late at most, {resident:.0f} MiB; ten million:"
        f" {seconds / count * 1e7:.0f} s, {busy / count * 1e7:.0f} s of processor\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blobs", type=int, default=1_000_000)
    parser.add_argument("--folders", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.15)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--inventory", action="store_true")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve,
        args=(options.blobs, options.folders, options.latency, there),
        daemon=True,
    )
    server.start()
    work = partial(planned, inventory=options.blobs if options.inventory else 0)
    asyncio.run(measure(here.recv(), work if options.plan else listed))
    server.terminate()


if __name__ == "__main__":
    main()
