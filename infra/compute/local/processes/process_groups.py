"""Every process that the compute starts, in a group of its own that dies with the host.

Three things see to that: the process holds a lifeline and ends when it does; a guardian, told
of every group, kills what is left when the host is gone, even killed; and a record on disk
lets the next host kill what neither reached. Only a process that a script puts in a session
of its own escapes them.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_GUARDIAN: Final = Path(__file__).with_name("guardian.py")


@dataclass
class Group:
    """A running process that leads its own group. Closing `lifeline` ends it at once."""

    process: asyncio.subprocess.Process
    lifeline: int

    @property
    def id(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Signal the leader."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill all of the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, signal.SIGKILL)


class _Guardian(NamedTuple):
    """`line` is where it is told of groups; it ends when that is closed."""

    process: asyncio.subprocess.Process
    line: int


class ProcessGroups:
    """`records` is a folder for this alone. Call everything from the event loop's thread: a
    process may be set to die with the thread that started it."""

    def __init__(self, records: Path) -> None:
        self._records = records
        self._alive: dict[int, Group] = {}
        self._guardian: _Guardian | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, *, beside_others: bool) -> None:
        """Kill what a previous host left, unless it is there still, then guard."""
        self._records.mkdir(parents=True, exist_ok=True)
        for record in [] if beside_others else self._records.iterdir():
            birth = _birth(int(record.name)) if record.name.isdecimal() else ""
            if birth and record.read_text() == birth:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(record.name), signal.SIGKILL)
            record.unlink(missing_ok=True)
        guardian = await self._start_guardian()
        self._watch = asyncio.create_task(self._keep(guardian))

    async def close(self) -> None:
        """Kill every group that is left, and end the guardian."""
        for group in list(self._alive.values()):
            group.kill()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        guardian, self._guardian = self._guardian, None
        if guardian is not None:
            os.close(guardian.line)
            try:
                async with asyncio.timeout(5):
                    await guardian.process.wait()
            except TimeoutError:
                guardian.process.kill()
                await guardian.process.wait()

    async def spawn(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        output: int,
        passed: Sequence[int] = (),
    ) -> Group:
        """Start a process whose stdin is its lifeline and whose output goes to a descriptor. It
        has the descriptors `passed` too."""
        lifeline_end, lifeline = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=lifeline_end,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
                pass_fds=passed,
            )
        except BaseException:  # cancelled too: nobody else will close it
            os.close(lifeline)
            raise
        finally:
            os.close(lifeline_end)
        group = Group(process, lifeline)
        self._tell("+", group.id)
        self._alive[group.id] = group
        birth = _birth(group.id)
        if birth:
            # On a full disk the guardian has to do.
            with contextlib.suppress(OSError):
                self._records.joinpath(str(group.id)).write_text(birth)
        return group

    def end(self, group: Group) -> None:
        """The leader has been waited for: kill what it left, and forget the group."""
        if self._alive.pop(group.id, None) is None:
            return
        group.kill()
        os.close(group.lifeline)
        self._tell("-", group.id)
        self._records.joinpath(str(group.id)).unlink(missing_ok=True)

    async def _start_guardian(self) -> _Guardian:
        end, line = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(_GUARDIAN),
                stdin=end,
                stdout=asyncio.subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        except BaseException:  # cancelled too: nobody else will close it
            os.close(line)
            raise
        finally:
            os.close(end)
        # A guardian that reads nothing must not hold the host up.
        os.set_blocking(line, False)
        guardian = self._guardian = _Guardian(process, line)
        for group in self._alive:
            self._tell("+", group)
        return guardian

    async def _keep(self, guardian: _Guardian) -> None:
        while True:
            await guardian.process.wait()
            self._guardian = None
            os.close(guardian.line)
            await asyncio.sleep(0.5)
            guardian = await self._start_guardian()

    def _tell(self, sign: str, group: int) -> None:
        if self._guardian is not None:
            # A broken pipe means a dead guardian, and the next one is told everything.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._guardian.line, f"{sign}{group}\n".encode())


def _birth(pid: int) -> str:
    """What tells this process from another that gets its number later; '' if unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"


def resident_memory(pid: int) -> int | None:
    """Private and shared memory in RAM of a process and all it started, in bytes; None where
    the system does not tell."""
    total: int | None = None
    for process in and_descendants(pid):
        with contextlib.suppress(OSError):
            for line in (process / "status").read_text().splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total = (total or 0) + int(line.split()[1]) * 1024
    return total


def cpu_seconds(pid: int) -> float | None:
    """Processor time that a process and all it started have used, those that have ended
    included; None where the system does not tell."""
    total: float | None = None
    for process in and_descendants(pid):
        with contextlib.suppress(OSError):
            # The name in brackets may hold anything; user, system and both of the children that
            # have ended come 12th to 15th after it.
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            total = (total or 0.0) + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def and_descendants(pid: int) -> Iterator[Path]:
    """The folders in /proc of a process and of all it started, as far as they are there."""
    waiting = [pid]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            for task in (process / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
        yield process
