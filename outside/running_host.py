"""A real `python -m infra.embedded` process, and what can be seen of it from outside."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import httpx

from examples.client import Workspace
from outside.waiting import PATIENCE, until

ROOT = Path(__file__).resolve().parents[1]

_AMPLE = {
    "ML_ENDPOINTS_HEAD_TIME": "3600",
    "ML_ENDPOINTS_REFUSED_PER_MINUTE": "0",
    "ML_ENDPOINTS_ROUTE_READ_LIMIT": "200",
    "ML_ENDPOINTS_STOP_GRACE": "3600",
    "ML_ENDPOINTS_TOKENS_PER_MINUTE": "0",
    "ML_ENDPOINTS_WAKE_WAIT": "200",
}
"""A host's own limits, so far off that no pace comes to them: what runs into one is wrong, and
the test that waits for it fails first."""

_SHARED = "ML_ENDPOINTS_SCRIPT_WRITABLE"


class Process(Protocol):
    """As `subprocess` has it."""

    pid: int
    returncode: int | None

    @abstractmethod
    def poll(self) -> int | None: ...

    @abstractmethod
    def wait(self, timeout: float | None = None) -> int: ...

    @abstractmethod
    def send_signal(self, number: int) -> None: ...


class Launch(Protocol):
    """Runs a module in a session of its own, and does not wait for it; what it says goes into
    `output`."""

    @abstractmethod
    def __call__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: Path,
    ) -> Process: ...


def command(
    module: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: Path,
) -> Process:
    """`python -m module arguments`."""
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class RunningHost:
    """One host process on one data folder. Use as a context manager; at its end nothing of
    it runs any more."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
        output: Path | None = None,
        module: str = "infra.embedded",
        launch: Launch = command,
    ) -> None:
        self.data_dir = data_dir
        self.code = ROOT
        """Where the next start takes the app's code from."""
        self._arguments = arguments
        self._module = module
        self._launch = launch
        self.meeting = data_dir.with_name(data_dir.name + ".meeting")
        """A folder that scripts see and may write to."""
        shared = str(self.meeting.absolute())
        self.environment = {**_AMPLE, _SHARED: shared, **(environment or {})}
        self.output = output or data_dir.with_name(data_dir.name + ".out")
        self.process: Process | None = None
        self.workspace: Workspace

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connection_file(self) -> Path:
        return self.data_dir / "connection.json"

    @property
    def connection(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection_file.read_text())
        return found

    @property
    def url(self) -> str:
        url: str = self.workspace.connection["url"]
        return url

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def inbox(self) -> Path:
        return Path(self.workspace.connection["inbox"])

    @property
    def tls(self) -> ssl.SSLContext:
        assert isinstance(self.workspace.tls, ssl.SSLContext)
        return self.workspace.tls

    def _told(self) -> dict[str, str]:
        """`environment`, but for settings that came after the code that is started."""
        sample = json.loads((self.code / "local.settings.sample.json").read_text())["Values"]
        later = {name for name in (*_AMPLE, _SHARED) if name not in sample}
        return {name: value for name, value in self.environment.items() if name not in later}

    def spawn(self, *more: str) -> None:
        """Start the process, with more arguments, without waiting for anything."""
        self.meeting.mkdir(parents=True, exist_ok=True)
        self.meeting.chmod(0o777)
        port = () if "--port" in self._arguments else ("--port", "0")
        launch = self._launch if self.code == ROOT else command
        self.process = launch(
            self._module,
            [*port, *self._arguments, *more, "--data-dir", str(self.data_dir)],
            cwd=self.code,
            environment={**os.environ, **self._told()},
            output=self.output,
        )

    def start(self, *more: str) -> None:
        """Returns once the host says that it is ready."""
        self.spawn(*more)
        process = self.process
        assert process is not None

        def ready() -> bool:
            if process.poll() is not None:
                said = self.output.read_text(errors="replace")
                raise AssertionError(f"the host ended with {process.returncode}:\n{said}")
            return self.is_ready()

        until(ready, "a ready host")
        self.workspace = Workspace(self.connection_file)
        self.workspace.http.timeout = httpx.Timeout(PATIENCE)

    def is_ready(self) -> bool:
        """Whether it has said so."""
        lines = self.output.read_text(errors="replace").splitlines()
        return any(line.startswith("ready ") for line in lines)

    def upgrade(self) -> Process:
        """Returns once another process has taken this one's place: the process before, which
        ends what it has in flight."""
        before, output, workspace = self.process, self.output, self.workspace
        assert before is not None
        self.output = output.with_name(output.name + "+")
        try:
            self.start("--take-over")
        except AssertionError:
            self.process, self.output = before, output
            raise
        workspace.http.close()
        return before

    def stop(self, number: int = signal.SIGTERM) -> int:
        """A signal, and the status that the host ends with."""
        self.signal(number)
        return self.ended()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.workspace.http.close()
        self.process.send_signal(number)

    def ended(self) -> int:
        """The status that the process ends with."""
        assert self.process is not None
        return self.process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def close(self) -> None:
        self._leave()
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise

    def _leave(self) -> None:
        """Connections to a process that ended by itself are still open at this end."""
        if hasattr(self, "workspace"):
            self.workspace.http.close()

    def log(self) -> str:
        file = self.data_dir / "logs" / "host.jsonl"
        return file.read_text(errors="replace") if file.exists() else ""

    def story(self, **about: str) -> list[dict[str, Any]]:
        """The lines of its log that tell of what has happened to whoever has these fields."""
        return [
            line
            for line in self._logged()
            if "action" in line and all(line.get(name) == value for name, value in about.items())
        ]

    def faults(self) -> list[dict[str, Any]]:
        """What the host logged as an error."""
        return [line for line in self._logged() if line.get("level") in ("ERROR", "CRITICAL")]

    def _logged(self) -> list[dict[str, Any]]:
        """Whole lines: one that is being written may be seen in part."""
        whole, _, _ = self.log().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def files(self, *below: str) -> list[Path]:
        """Of its data folder, or of one below it, as it goes on: any may be gone by now."""
        folder = self.data_dir.joinpath(*below)
        return [Path(at, name) for at, _, names in os.walk(folder) for name in names]

    def processes(self, containing: str = "") -> list[int]:
        """Living processes that have this host's data folder, and `containing`, in their
        command line; but for the host itself."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) in (self.pid, os.getpid()):
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(self.data_dir) in command and containing in command:
                found.append(int(entry.name))
        return found

    def memory(self) -> int:
        """The host's own resident bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def connect(self) -> ssl.SSLSocket:
        """A connection of one's own, to say on it whatever one likes."""
        port = int(self.url.rpartition(":")[2])
        raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        return self.tls.wrap_socket(raw, server_hostname="127.0.0.1")

    def exchange(self, said: bytes) -> bytes:
        """What comes back on a new connection: the head, and what comes with it."""
        with self.connect() as connection:
            connection.sendall(said)
            heard = b""
            while b"\r\n\r\n" not in heard or heard.endswith(b"\r\n\r\n"):
                piece = connection.recv(65536)
                if not piece:
                    break
                heard += piece
            return heard

    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.workspace.token()}"}

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.tls, **{"timeout": PATIENCE, **options})

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, verify=self.tls, **{"timeout": PATIENCE, **options}
        )
