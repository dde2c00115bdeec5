"""Builds the virtual environment that a model runs in: `build --spec SPEC --target DIR --uv UV`.

The guarantee: DIR holds the marker `COMPLETE` only if everything in it was installed. A build
that fails, runs out of time or is killed leaves nothing that counts as made, and the next one
starts from an empty folder. Builders of one DIR, in whatever process, take turns; the second
finds the first one's work and does nothing.

What opens private indexes (`--credentials`: the first line of stdin) reaches uv by a pipe that it
has read to the end before it runs anything of a package's, and stands in no file, no argument, no
variable and no line of the log.

A virtual environment cannot be moved, so it is built where it will stay; the lock and the
marker, not a rename, make that safe. Everything uv says goes to stdout.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from . import package_indexes

COMPLETE = ".ml-endpoints-complete"
LOCK = "requirements.lock"
SHOWN_BYTES = 8 * 1024 * 1024
KEPT_LINES = 400
OLDEST = (3, 9, 0)
"""Of the Pythons that this package itself runs on."""


class BuildError(Exception):
    """Why there is no environment. The tool's own words were printed before."""


def say(text: str) -> None:
    print(text, flush=True)


def is_complete(target: Path) -> bool:
    """Made to the end, and the Python it was made from is still on the machine."""
    return (target / COMPLETE).is_file() and (target / "bin" / "python").exists()


def main(argv: Sequence[str]) -> int:
    """Build one environment; 0 if it is there at the end, else 1."""
    parser = argparse.ArgumentParser(prog="runtime build")
    parser.add_argument("--spec", required=True, type=Path)
    parser.add_argument("--target", required=True, type=Path)
    parser.add_argument("--uv", required=True)
    parser.add_argument("--deadline", type=float, default=1800.0, help="seconds")
    parser.add_argument("--lifeline", action="store_true", help="end when stdin does")
    parser.add_argument(
        "--credentials",
        action="store_true",
        help="stdin begins with a line: {index's URL: [user, password]}",
    )
    parser.add_argument(
        "--python-pins",
        choices=("exact", "nearest"),
        default="exact",
        help="whether another Python will do where that one is not",
    )
    parser.add_argument("--python-downloads", action="store_true", help="get one that is not here")
    arguments = parser.parse_args(argv)
    opened = package_indexes.read_credentials(sys.stdin.fileno()) if arguments.credentials else {}
    if arguments.lifeline:
        threading.Thread(target=end_with_host, daemon=True).start()
    deadline = time.monotonic() + arguments.deadline
    target: Path = arguments.target.absolute()
    try:
        with locked(target, deadline) as lock:
            if is_complete(target):
                say(f"{target.name} is already there.")
                return 0
            build = Build(arguments.uv, target, deadline, lock, package_indexes.Secrets(opened))
            spec = read_spec(arguments.spec)
            pins, downloads = arguments.python_pins, arguments.python_downloads
            build.run(spec, lambda folder: build.python(spec.python, folder, pins, downloads))
    except BuildError as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(f"error: {error.strerror or error}: {error.filename or target}")
        return 1
    return 0


def end_with_host() -> None:
    """The other end of stdin is held by the host; end of file means that it is gone."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


class Spec(NamedTuple):
    python: str
    requirements: tuple[str, ...]
    indexes: Mapping[str, Any]
    """As `package_indexes` reads them."""
    uploaded_before: str
    """A date, or nothing."""


def read_spec(path: Path) -> Spec:
    try:
        spec: Any = json.loads(path.read_text(encoding="utf-8"))
        python, requirements = spec["python"], tuple(spec["requirements"])
        indexes, before = spec.get("indexes", {}), spec.get("uploaded_before", "")
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} is no environment spec: {error!r}") from error
    if not isinstance(python, str) or not all(isinstance(each, str) for each in requirements):
        raise BuildError(f"{path} is no environment spec: `python` and `requirements` are text.")
    for requirement in requirements:
        # uv would take it for an option of its own.
        if requirement.lstrip().startswith("-"):
            raise BuildError(f"{requirement!r} is an option, not a requirement.")
    return Spec(python, requirements, indexes, before)


@contextlib.contextmanager
def locked(target: Path, deadline: float) -> Iterator[int]:
    """Hold DIR's lock. The descriptor is handed on to uv, so that the lock outlives a killed
    builder for as long as its uv still writes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(f"{target}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        announced = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not announced:
                    say(f"Waiting for another build of {target.name}.")
                    announced = True
                if time.monotonic() > deadline:
                    raise BuildError("Another build of this environment did not end.") from None
                time.sleep(0.05)
        yield lock
    finally:
        os.close(lock)


class Build:
    def __init__(
        self,
        uv: str,
        target: Path,
        deadline: float,
        lock: int,
        secrets: package_indexes.Secrets,
    ) -> None:
        self._uv = uv
        self._secrets = secrets
        self._target = target
        self._deadline = deadline
        self._lock = lock

    def run(self, spec: Spec, choose: Callable[[Path], str]) -> None:
        """`choose` finds the interpreter, in an empty folder."""
        python, requirements, indexes, before = spec
        began = time.monotonic()
        shutil.rmtree(self._target, ignore_errors=True)
        # uv reads project files from where it runs: let there be none.
        workplace = Path(f"{self._target}.work")
        shutil.rmtree(workplace, ignore_errors=True)
        workplace.mkdir()
        try:
            interpreter = choose(workplace)
            say(f"Python {python}: {interpreter}")
            venv = ["venv", "--no-project", "--no-python-downloads", "--python", interpreter]
            self.tool([*venv, str(self._target)], workplace, {})
            if requirements:
                for line in self._secrets.told(indexes):
                    say(line)
                say(f"Installing {', '.join(requirements)}")
                own = str(self._target / "bin" / "python")
                # Scripts may not write here: what is not compiled now would be at each start.
                install = ["pip", "install", "--compile-bytecode", "--python", own]
                if before:
                    install += ["--exclude-newer", f"{before}T00:00:00Z"]
                self.tool([*install, "--", *requirements], workplace, indexes)
                self._keep_lock(own)
            if not is_ours(python):
                self._compile_ours()
            self._mark_complete()
        except BaseException:  # interrupted too: half an environment must not be taken for one
            shutil.rmtree(self._target, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
        say(f"Environment {self._target.name} built in {time.monotonic() - began:.1f} s.")

    def python(self, version: str, workplace: Path, pins: str, downloads: bool) -> str:
        """The interpreter that `version` means, which is fetched, or another than that, where it
        is not on this machine and that is asked for. Raises BuildError."""
        try:
            return find_python(self._uv, version, workplace)
        except BuildError as error:
            missing = error
        if downloads:
            with contextlib.suppress(BuildError):
                self.tool(["python", "install", "--no-bin", version], workplace, {})
                return find_python(self._uv, version, workplace)
            say(f"Python {version} could not be fetched.")
        if pins == "nearest":
            found, path = nearest_python(self._uv, version, workplace)
            say(
                f"warning: Python {version} is not on this machine, and the environment has {found}"
                ", the nearest that is (ML_ENDPOINTS_PYTHON_PINS)."
            )
            return path
        raise BuildError(
            f"{missing} Pin one that is, or set ML_ENDPOINTS_PYTHON_PINS=nearest to run this on "
            "the nearest one."
        )

    def _keep_lock(self, python: str) -> None:
        """What was resolved, for whoever wants to know."""
        freeze = [self._uv, "pip", "freeze", "--quiet", "--python", python]
        told = subprocess.run(freeze, capture_output=True, timeout=60, check=False)
        (self._target / LOCK).write_bytes(told.stdout)

    def _compile_ours(self) -> None:
        """What this package needs, for an interpreter that may never have run it."""
        for mode in ("serve", "work"):
            own = str(self._target / "bin" / "python")
            command = [own, "-I", "-S", str(Path(__file__).parent), mode, "--help"]
            subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60, check=False)

    def _mark_complete(self) -> None:
        """Written last and flushed: a power cut cannot leave the marker without the rest."""
        os.sync()
        marker = os.open(self._target / COMPLETE, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.fsync(marker)
        finally:
            os.close(marker)

    def _start(
        self, arguments: Sequence[str], workplace: Path, indexes: Mapping[str, Any]
    ) -> "subprocess.Popen[bytes]":
        command, passed = [self._uv, *arguments], [self._lock]
        environment = {**os.environ, **package_indexes.of_pip(), "NO_COLOR": "1"}
        if indexes:
            package_indexes.take_over(environment, indexes)
            passed.append(self._secrets.configuration(indexes))
            command[1:1] = ["--config-file", f"/dev/fd/{passed[-1]}"]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=workplace,
                env=environment,
                pass_fds=passed,
            )
        finally:
            for given in passed[1:]:
                os.close(given)

    def tool(self, arguments: Sequence[str], workplace: Path, indexes: Mapping[str, Any]) -> None:
        say(f"$ uv {' '.join(arguments)}")
        with self._start(arguments, workplace, indexes) as process:
            # Popen's type cannot say that with PIPE it is there.
            assert process.stdout is not None
            overdue = threading.Event()

            def give_up() -> None:
                overdue.set()
                process.kill()

            timer = threading.Timer(max(self._deadline - time.monotonic(), 0), give_up)
            timer.daemon = True
            timer.start()
            try:
                _relay(process.stdout, self._secrets.scrubbed)
                status = process.wait()
            finally:
                timer.cancel()
                process.kill()
        if overdue.is_set():
            raise BuildError("The build ran out of time and was stopped.")
        if status != 0:
            raise BuildError(f"uv {arguments[0]} failed with exit status {status}.")


def _relay(source: IO[bytes], scrubbed: Callable[[bytes], bytes]) -> None:
    """Pass the tool's output on as it comes, `scrubbed`; of a flood, its beginning and its end."""
    shown, left_out = 0, 0
    last: deque[bytes] = deque(maxlen=KEPT_LINES)
    while line := scrubbed(source.readline(64 * 1024)):
        if shown < SHOWN_BYTES:
            shown += len(line)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        else:
            left_out += 1
            last.append(line)
    if left_out > len(last):
        say(f"... {left_out - len(last)} lines left out ...")
    for line in last:
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def find_python(uv: str, version: str, workplace: Path) -> str:
    """An interpreter of this version on this machine, never a virtual environment's own."""
    command = [uv, "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    try:
        found = subprocess.run(
            command, cwd=workplace, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError("uv took over a minute to look for Python.") from None
    path = found.stdout.strip()
    if found.returncode == 0 and path:
        return path
    if is_ours(version):
        return str(getattr(sys, "_base_executable", None) or sys.executable)
    raise BuildError(f"{found.stderr.strip()}\nPython {version} is not on this machine.".strip())


def nearest_python(uv: str, version: str, workplace: Path) -> tuple[str, str]:
    """Of the same minor version if there is one, else of the next above, else below: what was made
    for one Python mostly runs on the next, and seldom on the one before. And where it is."""
    command = [uv, "python", "list", "--only-installed", "--no-python-downloads"]
    command += ["--output-format", "json"]
    ours = str(getattr(sys, "_base_executable", None) or sys.executable)
    there: dict[tuple[int, int, int], str] = {sys.version_info[:3]: ours}
    with contextlib.suppress(subprocess.TimeoutExpired, ValueError, KeyError):
        listed = subprocess.run(
            command, cwd=workplace, capture_output=True, text=True, timeout=60, check=False
        )
        for row in json.loads(listed.stdout):
            parts = row["version_parts"]
            numbers = (parts["major"], parts["minor"], parts["patch"])
            if numbers >= OLDEST and row["implementation"] == "cpython" and row["path"]:
                there.setdefault(numbers, row["path"])
    minor = tuple(map(int, version.split(".")[:2]))

    def distance(each: tuple[int, ...]) -> tuple[bool, int, list[int]]:
        apart = abs((each[0] - minor[0]) * 1000 + each[1] - minor[1])
        return each[:2] < minor, apart, [-number for number in each]

    found = min(there, key=distance)
    return ".".join(map(str, found)), there[found]


def is_ours(version: str) -> bool:
    """Whether the Python that runs this is of `version` (`3.11` or `3.11.7`)."""
    full = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return full == version or full.startswith(f"{version}.")
