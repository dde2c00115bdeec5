"""A host in a process of its own, for tests that kill it: serves what its script asks for, kept
apart as far as the machine can, prints `ready SOCKETS` once the script has said `begun`, and waits
to be killed."""

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

from domain.ports import LogKind
from infra.compute.ground.local_limits import LocalLimits
from infra.compute.local.files.outputs import OutputsInPlace
from infra.compute.local.local_compute import LocalCompute
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.infra.compute.conftest import UV, House
from tests.kit.packages.usual import USUAL_PACKAGES
from tests.kit.stages.isolation import cells, isolated
from tests.kit.waiting import eventually


async def main(data: Path, script: str) -> None:
    blobs = FileBlobStore(data, base_url="http://localhost", key=b"k" * 32)
    compute = LocalCompute(
        data,
        blobs,
        OutputsInPlace(data),
        uv=UV,
        packages=USUAL_PACKAGES,
        isolation=cells(isolated(data / "gates"), data),
        limits=LocalLimits(),
    )
    await compute.start()
    # What the host that was killed logged is there still: this one's line is its own.
    begun = f"begun {uuid4().hex}"
    workload = await House(data, blobs, compute).workload(
        script.replace("begun", begun), key="online/e/d"
    )

    async def told() -> bool:
        return begun in await compute.serving.logs(workload.key, LogKind.INFERENCE_SERVER, tail=50)

    await compute.serving.ensure(workload)
    await eventually(told)
    sockets = compute.premises.sockets.new().parent
    sys.stdout.write(f"ready {sockets}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
