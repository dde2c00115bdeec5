"""What is asked of `runtime sandbox` for one command, as it reads it (runtime/sandbox/plan.py)."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """Its fields are those of the runtime's plan, which says what they mean."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    readable: Sequence[str]
    writable: Sequence[str]
    shared: Sequence[str]
    hidden: str
    written: str
    home: str
    root: str
    socket: str = ""
    namespaces: str = ""
    user: int = 0
    landlock: bool = False
    network: bool = True
    cgroups: Sequence[str] = ()
    cores: Sequence[int] = ()

    def to_read(self) -> int:
        """A descriptor that it can be read from, for whoever closes it. Raises OSError."""
        descriptor = os.memfd_create("plan")
        os.write(descriptor, json.dumps(asdict(self)).encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor


def launcher(runtime: Path, descriptor: int) -> list[str]:
    """The command that carries out the plan that is read there. It has nothing of the plan's
    variables itself, nor of what they make an interpreter load."""
    return [sys.executable, "-I", "-S", str(runtime), "sandbox", str(descriptor)]


def for_python(python: Path) -> list[Path]:
    """Where an interpreter's own files are; a virtual environment's are those of the one that
    it was made from, too."""
    link = python.absolute()
    places = {link.parent.parent}
    while link.is_symlink():
        link = link.parent / os.readlink(link)
        places.add(link.parent.parent)
    return [own for place in sorted(places) for own in _of_installation(place)]


def _of_installation(place: Path) -> list[Path]:
    """All that is there, unless it is a person's home, or in it the place for programs
    (`~/.local/bin/python3` is where uv puts one): other things are in these, too."""
    real, home = Path(os.path.realpath(place)), Path(os.path.realpath(os.path.expanduser("~")))
    if str(real) in ("/", "/usr"):
        return []
    if home.is_relative_to(real) or real == home / ".local":
        return [place / name for name in ("bin", "include", "lib", "lib64", "pyvenv.cfg")]
    return [place]


def paths(*given: Path) -> list[str]:
    """As they are written in commands, and as they are."""
    found: dict[str, None] = {}
    for path in given:
        found[os.path.abspath(path)] = found[os.path.realpath(path)] = None
    return [path for path in found if path != "/"]
