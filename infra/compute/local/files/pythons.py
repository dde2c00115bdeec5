"""Which Python a model's environment gets on this machine."""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Final

from infra.compute.ground import process_environment
from infra.compute.package_sources import PythonChoice

_OLDEST: Final = (3, 9)
_FIND_TIMEOUT: Final = 60.0
_NEAREST: Final = (
    "Set ML_ENDPOINTS_PYTHON_PINS=nearest to run it on the nearest that is there, or pin one of "
    "these."
)


def sys_version() -> tuple[int, int, int]:
    """The version of the Python that runs the host, which is always there for models too."""
    return sys.version_info[:3]


class Pythons:
    """Those that uv finds here, and those that it gets. It asks `uv`, and builders choose by
    `arguments`, in the same way."""

    def __init__(self, uv: str, choice: PythonChoice) -> None:
        self.uv = uv
        self._choice = choice
        self._there: set[str] = set()

    @property
    def arguments(self) -> Sequence[str]:
        """What tells a builder of it."""
        downloads = ["--python-downloads"] if self._choice.downloads else []
        return ["--python-pins", self._choice.pins, *downloads]

    async def refusal(self, version: str) -> str | None:
        """Why this Python cannot be had here, naming those that can."""
        numbers = _numbers(version)
        if numbers is None:
            return f"{version!r} is no Python version; give one such as 3.11."
        if self._choice.pins == "nearest" or await self._is_there(version):
            return None
        if numbers[:2] < _OLDEST:
            return f"Python {version} is too old: models run on 3.9 or later. {_NEAREST}"
        if self._choice.downloads and await self._is_offered(version):
            return None
        there = ", ".join(_text(each) for each in await self._installed())
        return f"Python {version} is not on this machine; it has {there}. {_NEAREST}"

    async def caution(self, version: str) -> str | None:
        """What whoever pinned it should know: that it runs on another."""
        numbers = _numbers(version)
        if self._choice.pins == "exact" or numbers is None or await self._is_there(version):
            return None
        if numbers[:2] >= _OLDEST and self._choice.downloads and await self._is_offered(version):
            return None
        found = nearest(numbers, await self._installed())
        return (
            f"Python {version} is not on this machine: the environment has {_text(found)}, the "
            "nearest that is (ML_ENDPOINTS_PYTHON_PINS)."
        )

    async def _is_there(self, version: str) -> bool:
        numbers = _numbers(version)
        if numbers is None or numbers[:2] < _OLDEST:
            return False
        if numbers == sys_version()[: len(numbers)] or version in self._there:
            return True
        status, _ = await self._uv_python("find", "--system", "--no-project", version)
        if status == 0:
            self._there.add(version)
        return status == 0

    async def _is_offered(self, version: str) -> bool:
        listing = ("list", "--only-downloads", "--all-versions", "--output-format=json")
        status, told = await self._uv_python(*listing, version, downloads=True)
        return status == 0 and bool(json.loads(told or b"[]"))

    async def _installed(self) -> list[tuple[int, ...]]:
        status, listing = await self._uv_python("list", "--only-installed", "--output-format=json")
        there: set[tuple[int, ...]] = {sys_version()}
        if status == 0:
            for row in json.loads(listing):
                numbers = row["version_parts"]
                there.add((numbers["major"], numbers["minor"], numbers["patch"]))
        return sorted(each for each in there if each >= _OLDEST)

    async def _uv_python(self, *arguments: str, downloads: bool = False) -> tuple[int, bytes]:
        process = await asyncio.create_subprocess_exec(
            self.uv,
            "python",
            *arguments,
            *(() if downloads else ("--no-python-downloads",)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=process_environment.for_build(()),
            cwd="/",
        )
        try:
            async with asyncio.timeout(_FIND_TIMEOUT):
                output, _ = await process.communicate()
        except BaseException:  # cancelled, or out of time: it must not go on
            process.kill()
            await process.wait()
            raise
        return process.returncode or 0, output


def nearest(asked: tuple[int, ...], there: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Of the same minor if there is one, else of the next one above, else below: what was made
    for one Python mostly runs on the next, and seldom on the one before."""
    minor = asked[:2]

    def distance(each: tuple[int, ...]) -> tuple[bool, int, list[int]]:
        apart = abs((each[0] - minor[0]) * 1000 + each[1] - minor[1])
        return each[:2] < minor, apart, [-number for number in each]

    return min(there, key=distance)


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.split(".")
    if not 1 < len(parts) <= 3 or not all(part.isdecimal() for part in parts):
        return None
    return tuple(map(int, parts))


def _text(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
