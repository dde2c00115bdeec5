"""Which Python an image has, as its layers show it: nothing of it is run."""

import asyncio
import posixpath
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NoReturn

from infra.compute.ground.failure import StartFailure
from infra.compute.registry.image_appending import Pulled

_NAMED: Final = re.compile(r"python3(?:\.\d+)?")
_VERSION: Final = re.compile(r"python(3\.\d+)")
_LINKS: Final = 20
_GONE: Final = ".wh."


@dataclass(frozen=True)
class BasePython:
    """`path` is where `python3` leads on the image's PATH; `real` is the program itself, of
    `version` (`3.11`), or '' where its name does not say."""

    path: str
    real: str
    version: str


async def python_of(image: Pulled, scratch: Path) -> BasePython:
    """Raises StartFailure where there is none."""
    found: dict[str, str | None] = {}
    await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        for layer in image.manifest.layers:
            if layer.media_type.endswith("zstd"):
                _refuse(image, "it has a layer packed with zstd, which cannot be looked into here")
            path = Path(folder) / "layer"
            with await asyncio.to_thread(path.open, "wb") as file:
                async for piece in image.registry.read_blob(image.repository, layer):
                    await asyncio.to_thread(file.write, piece)
            try:
                await asyncio.to_thread(_look_into, path, found)
            except (tarfile.TarError, OSError, EOFError) as error:
                _refuse(image, f"a layer of it cannot be read: {error}")
    folders = image.config.path.split(":")
    for each in folders:
        path_there = posixpath.join("/", each, "python3")
        real = _followed(path_there, found)
        if real is not None:
            match = _VERSION.fullmatch(posixpath.basename(real))
            return BasePython(path_there, real, match[1] if match else "")
    _refuse(image, f"it has no python3 in {', '.join(folders)}")


def _look_into(path: Path, found: dict[str, str | None]) -> None:
    """What a layer adds to `found`: links by what they lead to, Pythons by None."""
    with tarfile.open(path, "r|*") as tar:
        for entry in tar:
            name = "/" + posixpath.normpath(entry.name).lstrip("/")
            folder, base = posixpath.split(name)
            if base.startswith(_GONE):
                whole = base == f"{_GONE}{_GONE}.opq"
                gone = folder if whole else posixpath.join(folder, base.removeprefix(_GONE))
                for each in [n for n in found if n == gone or n.startswith(f"{gone}/")]:
                    del found[each]
            elif entry.issym():
                found[name] = entry.linkname
            elif entry.isfile() and _NAMED.fullmatch(base):
                found[name] = None
            elif entry.islnk() and _NAMED.fullmatch(base):
                found[name] = "/" + entry.linkname.lstrip("/")
            else:
                found.pop(name, None)


def _followed(path: str, found: dict[str, str | None]) -> str | None:
    """The file that it leads to; None where there is none."""
    for _ in range(_LINKS):
        path = _within(path, found)
        if path not in found:
            return None
        target = found[path]
        if target is None:
            return path
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return None


def _within(path: str, found: dict[str, str | None]) -> str:
    """With the folders it is in followed."""
    parts: Sequence[str] = path.strip("/").split("/")
    place = ""
    for part in parts[:-1]:
        place = f"{place}/{part}"
        for _ in range(_LINKS):
            target = found.get(place)
            if target is None:
                break
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
    return f"{place}/{parts[-1]}"


def _refuse(image: Pulled, why: str) -> NoReturn:
    told = f"Nothing can be built on {image.name}: {why}."
    raise StartFailure("ImageBuildFailure", told)
