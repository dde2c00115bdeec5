"""A Docker Engine of the tests' own: a dockerd with folders of its own, beside whatever other
engine the machine has."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

from tests.kit.waiting import PATIENCE, until
from tests.servers.engine.base_image import write_base

BASE: Final = "ml-endpoints-test-base:{python}-2"
"""As the setting of the base image is told."""
_STARTS: Final = 5
_BUSY: Final = "timeout waiting for containerd to start"
"""It has 15 s, which it may not come to on a machine that has much else to do."""
VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


class EngineMissing(Exception):
    """Says what is not there."""


class EngineApi:
    """The engine at a Unix socket, asked without the product's client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._path = url.removeprefix("unix://")

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path)
        headers = {}
        content = body
        if isinstance(body, dict):
            content, headers = json.dumps(body), {"Content-Type": "application/json"}
        elif body is not None:
            headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
        told = {n: v if isinstance(v, str) else json.dumps(v) for n, v in query.items()}
        try:
            target = f"/v1.41/{path}?{urlencode(told)}"
            connection.request(
                method, target, content, headers, encode_chunked="Transfer-Encoding" in headers
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Any:
        status, content = self.ask("GET", path, **query)
        assert status == 200, content
        return json.loads(content)

    def do(self, method: str, path: str, body: Any = None, **query: Any) -> None:
        status, content = self.ask(method, path, body, **query)
        assert status < 400, content

    def push(self, image: str, name: str) -> None:
        """An image of the engine's to a registry that lets everybody in, where it is `name`."""
        repository, _, tag = name.rpartition(":")
        self.do("POST", f"images/{image}/tag", repo=repository, tag=tag)
        connection = _UnixConnection(self._path)
        try:
            target = f"/v1.41/images/{repository}/push?{urlencode({'tag': tag})}"
            connection.request("POST", target, headers={"X-Registry-Auth": "e30="})
            answer = connection.getresponse()
            told = answer.read().decode(errors="replace")
            assert answer.status == 200, told
            assert '"error"' not in told, told
        finally:
            connection.close()

    def containers(self, *labels: str) -> list[Any]:
        found: list[Any] = self.get("containers/json", all=True, filters={"label": list(labels)})
        return found

    @property
    def answers(self) -> bool:
        try:
            return self.ask("GET", "_ping")[0] == 200
        except OSError:
            return False

    def make_base(self) -> None:
        """Of this machine's Python, if it is not there."""
        name = BASE.format(python=VERSION)
        if self.ask("GET", f"images/{name}/json")[0] == 200:
            return
        repository, _, tag = name.partition(":")
        with tempfile.TemporaryFile() as file:
            write_base(file)
            file.seek(0)
            self.do("POST", "images/create", file, fromSrc="-", repo=repository, tag=tag)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Dockerd:
    """Up from `start` until `stop`. Below `folder`, which goes at the end, is all it keeps.
    `alone`: it makes no rules of the machine's firewall, so that it disturbs no other engine, and
    its containers reach nobody outside."""

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        self._folder = folder
        self._alone = alone
        self._process: subprocess.Popen[bytes] | None = None
        self.api = EngineApi(f"unix://{folder}/docker.sock")

    def start(self) -> None:
        if shutil.which("dockerd") is None:
            raise EngineMissing("there is no dockerd (apt-get install docker.io)")
        if os.geteuid() != 0:
            raise EngineMissing("only root can start a dockerd")
        self._folder.mkdir(parents=True, exist_ok=True)
        told = ""
        for _ in range(_STARTS):
            self._begin()
            if self.api.answers:
                return
            told = (self._folder / "log").read_text(errors="replace")[-600:]
            if _BUSY not in told:
                break
        raise EngineMissing(f"dockerd does not start here: {told}")

    def _begin(self) -> None:
        """It answers, or has ended."""
        folder = self._folder
        self._unmount()
        # What an engine that was killed wrote may be another's number by now, or that of one whom
        # nobody has reaped: it would be taken for one that runs.
        for left in ("pid", "exec/containerd/containerd.pid"):
            (folder / left).unlink(missing_ok=True)
        command = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        command += ["--pidfile", f"{folder}/pid", "-H", self.api.url]
        if self._alone:
            command += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        # Each installation has a network, and there are but thirty by default.
        pool = "10.213.0.0/16" if self._alone else "10.214.0.0/16"
        command += ["--default-address-pool", f"base={pool},size=24"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until(lambda: self.api.answers or self._has_ended, "dockerd answers")
        except BaseException:  # nobody else would end it: whoever starts it has nothing to stop
            self.end(signal.SIGKILL)
            raise

    @property
    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _unmount(self) -> None:
        """What an engine that did not end well has left: a machine that begins anew has none of it,
        and what is mounted cannot be removed."""
        shown = Path("/proc/self/mountinfo").read_text().splitlines()
        below = f"{self._folder.resolve()}/"
        for mounted in reversed([line.split()[4] for line in shown]):
            if mounted.startswith(below):
                subprocess.run(["umount", "--lazy", mounted], check=False)

    def stop(self) -> None:
        """With every container."""
        if self._process is not None and self.api.answers:
            for container in self.api.containers():
                self.api.ask("DELETE", f"containers/{container['Id']}", force=True)
        self.end()
        self._unmount()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def settings_of(api: EngineApi) -> Mapping[str, str]:
    """What the app must be told to run models there."""
    return {
        "ML_ENDPOINTS_COMPUTE": "docker",
        "ML_ENDPOINTS_CONTAINER_ENGINE": api.url,
        "ML_ENDPOINTS_CONTAINER_BASE_IMAGE": BASE,
    }
