"""What a process' files take, seen from outside."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.compute.local.processes import scratch
from infra.compute.local.processes.script_files import (
    FileLimits,
    OutputFiles,
    ScriptFiles,
    TooManyFiles,
)

MIB = 2**20


@contextmanager
def running(code: str, folder: Path) -> Iterator[int]:
    """A process that has run `code` in the folder, and waits."""
    script = f"import os, tempfile; {code}; print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stdin=pipe, stdout=pipe
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


async def looked(folder: Path, pid: int, most: int, times: int = 3, step: int = 1000) -> None:
    """So many looks, each after all the rest that it takes."""
    clock = itertools.count(0.0, 1e6)
    files = ScriptFiles(folder, pid, most, step=step, clock=lambda: next(clock) // 2e6 * 1e6)
    for _ in range(times):
        await files.look()


@pytest.mark.parametrize(
    "code",
    [
        "[open(f'f{n}', 'w').write('x') for n in range(1500)]",
        "os.makedirs('a/b'); open('a/b/f', 'wb').write(os.urandom(5 * 2**20))",
        "file = tempfile.TemporaryFile(dir='.'); file.write(os.urandom(5 * 2**20)); file.flush()",
    ],
    ids=["many", "large", "nameless"],
)
async def test_whatever_takes_too_much_is_found(tmp_path: Path, code: str) -> None:
    with running(code, tmp_path) as pid:
        with pytest.raises(TooManyFiles, match=r"take [456] MiB of the disk, and .* take 4 MiB"):
            await looked(tmp_path, pid, 4 * MIB)
        await looked(tmp_path, pid, 40 * MIB)


async def test_a_folder_of_many_files_is_looked_at_in_parts(tmp_path: Path) -> None:
    with running("[open(f'f{n}', 'w').write('x') for n in range(100)]", tmp_path) as pid:
        # One look to begin, and 40 files in each of the next; a file takes 4 KiB.
        await looked(tmp_path, pid, 330 * 1024, times=3, step=2)
        with pytest.raises(TooManyFiles):
            await looked(tmp_path, pid, 330 * 1024, times=4, step=2)


async def test_where_links_lead_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(bytes(6 * MIB))
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    with running("pass", folder) as pid:
        await looked(folder, pid, MIB)


@pytest.mark.parametrize("mode", [0o300, 0o600])
async def test_a_folder_that_is_closed_is_not_taken_for_empty(tmp_path: Path, mode: int) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "file").touch()
    (tmp_path / "closed").chmod(mode)
    try:
        with running("pass", tmp_path) as pid, pytest.raises(TooManyFiles, match="has closed"):
            await looked(tmp_path, pid, MIB)
    finally:
        scratch.remove(tmp_path / "closed")
    assert not any(tmp_path.iterdir())


async def test_what_a_job_s_scripts_have_written_is_held_where_a_limit_is_set(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "rows.bin").write_bytes(b"x" * 3 * MIB)
    home = tmp_path / "home"
    home.mkdir()
    with running("pass", home) as pid:
        [own] = FileLimits(10 * MIB, None).watches(home, pid, [out])
        [_, wide] = FileLimits(10 * MIB, 4 * MIB).watches(home, pid, [out])
        await own.look()
        await wide.look()
    clock = itertools.count(0.0, 1e6)
    files = OutputFiles(out, 2 * MIB, clock=lambda: next(clock) // 2e6 * 1e6)
    await files.look()
    with pytest.raises(TooManyFiles, match=r"output folder takes 3 MiB .* may take 2 MiB"):
        await files.look()
