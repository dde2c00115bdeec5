"""How long listing a container takes that has very many blobs, and what of the processor.

    python -m benchmarks.batch.listing [--blobs 1000000] [--latency 0.15]

A server in a process of its own writes pages of 5,000 as the Blob service does, each `--latency`
seconds after it was asked. The adapter lists them all; a task looks how late the loop comes to it.
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AzureNamedKeyCredential

from infra.cloud.blobs.azure_blob_store import AzureBlobStore

PAGE = 5000
_BLOB = (
    "<Blob><Name>data/part-{n:09d}.csv</Name><Properties>"
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


def page(first: int, blobs: int) -> bytes:
    last = min(first + PAGE, blobs)
    marker = f"<NextMarker>{last}</NextMarker>" if last < blobs else "<NextMarker />"
    found = "".join(_BLOB.format(n=n) for n in range(first, last))
    text = f"<EnumerationResults><Blobs>{found}</Blobs>{marker}</EnumerationResults>"
    return text.encode()


def serve(blobs: int, latency: float, ready: Connection) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            asked = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
            due = time.monotonic() + latency
            body = page(int(asked.get("marker", ["0"])[0]), blobs)
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


async def measure(port: int) -> None:
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
    started, busy, count = time.perf_counter(), time.process_time(), 0
    async for _ in store.list("data", "data/"):
        count += 1
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    a_page, worst = busy / count * PAGE * 1000, late * 1000
    watching.cancel()
    await store.close()
    sys.stdout.write(
        f"{count:,} blobs in {seconds:.1f} s, {busy:.1f} s of processor ({a_page:.0f} ms a page),"
        f" the loop {worst:.0f} ms late at most\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blobs", type=int, default=1_000_000)
    parser.add_argument("--latency", type=float, default=0.15)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(options.blobs, options.latency, there), daemon=True
    )
    server.start()
    asyncio.run(measure(here.recv()))
    server.terminate()


if __name__ == "__main__":
    main()
