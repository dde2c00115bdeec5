"""The first rows of Parquet files, by pyarrow in a process of its own: its reader is no match for
bytes that somebody has made up, and the host goes on whatever becomes of it."""

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

from domain.ports.records.table_rows import ParquetRows, TableRows

READER: Final = Path(__file__).with_name("parquet_reader.py")
_MOST_PRINTED: Final = 16 * 2**20
_MISSING: Final = (
    "Rows of Parquet files are shown where pyarrow is installed beside the host (uv tool install "
    "'mlectl[host]' --with pyarrow). Download the file, or have the job write CSV."
)


def installed(package: str) -> Path | None:
    """The folder that it is imported from, if it is there. It is not imported."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent.parent if found is not None and found.origin else None


class ParquetProcess(ParquetRows):
    """`library` is where pyarrow is; None says that it is not there. One file is read at a time,
    for at most `patience` seconds."""

    def __init__(self, library: Path | None, *, patience: float) -> None:
        self._library = library
        self._patience = patience
        self._one = asyncio.Semaphore(1)

    async def first(self, content: AsyncIterator[bytes], most: int) -> TableRows:
        library = self._library
        if library is None:
            return TableRows(None, [], _MISSING)
        with tempfile.TemporaryFile(prefix="ml-endpoints-") as file:
            async for piece in content:
                await asyncio.to_thread(file.write, piece)
            file.seek(0)
            async with self._one:
                return await _read(file, library, most, self._patience)


async def _read(file: IO[bytes], library: Path, most: int, patience: float) -> TableRows:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(READER), str(library), str(most)),
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of the host's: no secrets are in it.
        env={"PATH": os.defpath, "OMP_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(patience):
            printed = await _printed(process)
            await process.wait()
    except TimeoutError:
        return TableRows(None, [], f"Its rows could not be read within {patience:g} seconds.")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    try:
        told: dict[str, Any] = json.loads(printed)
        return TableRows(told["columns"], told["rows"], told["why"])
    except (ValueError, KeyError, TypeError):
        why = f"Its rows could not be read: the reader ended with {process.returncode}."
        return TableRows(None, [], why)


async def _printed(process: asyncio.subprocess.Process) -> bytes:
    """What is too much is cut, and so is no JSON."""
    if process.stdout is None:
        return b""
    printed = bytearray()
    while piece := await process.stdout.read(2**16):
        printed += piece
        if len(printed) > _MOST_PRINTED:
            break
    return bytes(printed)
