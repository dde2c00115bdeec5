"""A process that is killed in the middle of what it does."""

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.kit.waiting import PATIENCE

_REPOSITORY = Path(__file__).resolve().parents[3]

_AROUND = """
import asyncio, sys
from pathlib import Path

{script}

asyncio.run(main(Path(sys.argv[1])))
"""


def killed_when_it_says(script: str, folder: Path, *, lines: int) -> list[str]:
    """Run `script`, which defines `async def main(folder)`, SIGKILL it once it has printed
    that many lines, and return every whole line it printed."""
    source = _AROUND.format(script=textwrap.dedent(script))
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(folder)],
        stdout=subprocess.PIPE,
        cwd=_REPOSITORY,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    finally:
        process.kill()
        process.wait(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
    whole = [line.strip() for line in said if line.endswith("\n")]
    assert len(whole) >= lines, "it ended by itself"
    return whole
