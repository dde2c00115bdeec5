"""An embedded host as a child process, for the length of a script."""

import signal
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class Host:
    """Starts `python -m infra.embedded` on a free port and stops it again."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def connection_file(self) -> Path:
        return self._data_dir / "connection.json"

    def start(self, *, within: float = 60) -> None:
        """Return once the host is ready. Raises RuntimeError with what it printed."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        printed = self._data_dir / "host.out"
        with printed.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "infra.embedded", "--port", "0"),
                    *("--data-dir", str(self._data_dir)),
                ],
                cwd=REPOSITORY,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ends = time.monotonic() + within
        while time.monotonic() < ends:
            text = printed.read_text(errors="replace")
            for line in text.splitlines():
                if line.startswith("ready "):
                    self.url = line.removeprefix("ready ")
                    return
            if self._process.poll() is not None:
                raise RuntimeError(f"The host did not start:\n{text}")
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"The host was not ready within {within:.0f} s:\n{text}")

    def stop(self) -> None:
        """Stop cleanly; after 20 s without mercy."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
