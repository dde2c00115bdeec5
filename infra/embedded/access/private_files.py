"""Small files that only their owner may read, replaced whole or not at all; and a process whose
files are all its owner's."""

import contextlib
import os
import tempfile
from pathlib import Path


def keep_private() -> None:
    """From now on nobody but this process's user may read what it makes, whatever umask it was
    started with; and no descriptor that it was started with, but for the standard ones, reaches
    a process that it starts."""
    os.umask(0o077)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the one that listed them is closed
                os.set_inheritable(int(name), False)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` (mode 0600) at once; a crash leaves the old content or the new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # a secret's draft must not lie about
        Path(temporary).unlink(missing_ok=True)
        raise


def read_or_make_private(path: Path, content: bytes) -> bytes:
    """What `path` holds, or `content` if it was not there and has been made with it. Of two
    processes that make it at once, both get what came first."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        write_private(draft, content)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # Another process was first; its content holds.
        finally:
            draft.unlink()
        return path.read_bytes()
