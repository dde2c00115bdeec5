"""An image to build others from, made of this machine's own Python: no registry is asked.

It holds the interpreter that runs this, what it is linked to, a shell and the certificates of
this machine, and no package but pip's own.
"""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_PACKAGES: Final = ("libc6", "libstdc++6", "libgcc-s1", "libgomp1")
_SHELLS: Final = ("/bin/sh", "/bin/bash")
"""The second is Triton's backend for models in Python."""
_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_LEFT_OUT: Final = re.compile(
    r"/(test|tests|idlelib|turtledemo|tkinter|site-packages|ensurepip)/|\.a$|/share/man/"
)
_WITHOUT_BYTECODE: Final = re.compile(rf"{_LEFT_OUT.pattern}|/__pycache__/")
_PIP: Final = Path("/etc/xdg/pip/pip.conf")
_PASSWD: Final = b"root:x:0:0::/root:/bin/sh\nnode:x:10001:10001::/tmp:/bin/sh\n"


def write_base(file: IO[bytes], *, compiled: bool = False) -> None:
    """The image's only layer, as a tar; `compiled`: with what this machine has of bytecode, where
    nobody compiles it in the image."""
    with tarfile.open(fileobj=file, mode="w|") as tar:
        written: set[str] = set()
        for path in _paths(compiled):
            _add(tar, path, written)
        for folder, mode in (("tmp", 0o1777), ("root", 0o755), ("var/tmp", 0o1777)):
            _folder(tar, folder, mode)
        _file(tar, "etc/passwd", _PASSWD)
        if str(_CERTIFICATES) not in written and _CERTIFICATES.exists():
            _add(tar, str(_CERTIFICATES), written)
        _link(tar, "usr/local/bin/python3", os.path.realpath(sys.executable))


def _paths(compiled: bool) -> Iterator[str]:
    python = os.path.realpath(sys.executable)
    prefix = Path(sys.base_prefix)
    files = [str(path) for path in prefix.rglob("*") if not path.is_dir() or path.is_symlink()]
    left_out = _LEFT_OUT if compiled else _WITHOUT_BYTECODE
    files = [path for path in files if not left_out.search(path)]
    yield from files
    linked = [python, *(path for path in files if path.endswith(".so") or ".so." in path)]
    yield from _libraries([*linked, *(os.path.realpath(each) for each in _SHELLS)])
    listed = subprocess.run(["dpkg", "-L", *_PACKAGES], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        if line.startswith("/") and not line.startswith("/usr/share") and not os.path.isdir(line):
            yield line
    for shell in _SHELLS:
        yield from (shell, os.path.realpath(shell))
    if _PIP.exists():
        yield str(_PIP)


def _libraries(binaries: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(binaries), 100):
        told = subprocess.run(
            ["ldd", *binaries[start : start + 100]], capture_output=True, text=True, check=False
        )
        found.update(re.findall(r"(/\S+) \(0x", told.stdout))
    return found


def _add(tar: tarfile.TarFile, path: str, written: set[str]) -> None:
    """A file where it is, its links as files they lead to are added too."""
    if not os.path.lexists(path):
        return
    # Debian's /lib is a link to /usr/lib: a file below it is one below that.
    parent = os.path.realpath(os.path.dirname(path))
    place = os.path.join(parent, os.path.basename(path))
    for original in ("/lib", "/lib64", "/bin"):
        if os.path.islink(original) and original not in written:
            written.add(original)
            _link(tar, original.lstrip("/"), os.path.realpath(original))
    if place in written:
        return
    written.add(place)
    tar.add(place, arcname=place.lstrip("/"), recursive=False)
    if os.path.islink(place):
        _add(tar, os.path.realpath(place), written)


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    import io

    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
