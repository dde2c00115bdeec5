"""The servers that a user may pick instead, each in a virtual environment of its own under
`.cache/peers`, started as its documentation says for the fastest of its ways."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import process_tree
from benchmarks.online.servers import BODY, EXPECTED, Question, Running, first_answer
from benchmarks.peer_environments import CACHE, REQUIREMENTS, Unavailable, installed
from benchmarks.peers.model import CLASS, ROW

APPS = REQUIREMENTS
_SAVING = 300.0


@dataclass(frozen=True)
class Place:
    """Where a peer starts: its environment's programs, its saved model, its port."""

    bin: Path
    model: Path
    app: Path
    port: int
    processes: int


@dataclass(frozen=True)
class Peer:
    """`folder` is its name under `benchmarks/peers`."""

    name: str
    folder: str
    command: Callable[[Place], list[str | Path]]
    path: str
    body: str = BODY
    expected: str = EXPECTED

    @contextlib.contextmanager
    def running(self, processes: int) -> Iterator[Running]:
        venv = installed(self.folder)
        app = APPS / self.folder
        place = Place(venv / "bin", self._saved(venv), app, _free_port(), processes)
        log = CACHE / f"{self.folder}.log"
        question = Question(f"http://127.0.0.1:{place.port}{self.path}", self.body, self.expected)
        started = time.perf_counter()
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command(place),
                cwd=app,
                env=_environment(place),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            try:
                first_answer(question)
            except Unavailable as error:
                told = log.read_text(errors="replace")[-1500:]
                raise Unavailable(f"{error}\n{told}") from None
            yield Running(question, process.pid, time.perf_counter() - started)
        finally:
            process_tree.end_children()
            process.poll()

    def _saved(self, venv: Path) -> Path:
        """The model in the peer's own form, where it has one; made once."""
        script, folder = APPS / self.folder / "save.py", venv / "model"
        if script.exists() and not folder.exists():
            _run([venv / "bin" / "python", script, folder], PYTHONPATH=str(APPS))
        return folder


def _azureml(place: Place) -> list[str | Path]:
    ports = ["--port", str(place.port), "--health_port", str(_free_port())]
    workers = ["--worker_count", str(place.processes)]
    return [place.bin / "azmlinfsrv", "--entry_script", APPS / "score.py", *ports, *workers]


def _mlflow(place: Place) -> list[str | Path]:
    serve: list[str | Path] = [
        place.bin / "mlflow",
        "models",
        "serve",
        "--env-manager",
        "local",
        "-m",
        place.model,
    ]
    return [*serve, "--port", str(place.port), "--workers", str(place.processes)]


def _mlserver(place: Place) -> list[str | Path]:
    return [place.bin / "mlserver", "start", place.model]


def _bentoml(place: Place) -> list[str | Path]:
    return [place.bin / "bentoml", "serve", "app:Scorer", "--port", str(place.port)]


def _script(place: Place) -> list[str | Path]:
    return [place.bin / "python", place.app / "app.py"]


PEERS = (
    Peer("azureml-inference-server-http", "azureml", _azureml, "/score"),
    Peer(
        "mlflow models serve",
        "mlflow",
        _mlflow,
        "/invocations",
        json.dumps({"inputs": [ROW]}),
    ),
    Peer(
        "MLServer",
        "mlserver",
        _mlserver,
        "/v2/models/bench/infer",
        json.dumps({"inputs": [{"name": "x", "shape": [1, 10], "datatype": "FP64", "data": ROW}]}),
        f'"data":[{CLASS}]',
    ),
    Peer("BentoML", "bentoml", _bentoml, "/score"),
    Peer("LitServe", "litserve", _script, "/predict"),
    Peer("Ray Serve", "ray", _script, "/"),
)


def _run(command: list[str | Path], **environment: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SAVING,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"the model is not saved: {done.stdout.strip()[-1500:]}")


def _environment(place: Place) -> dict[str, str]:
    """Nobody is told of what is measured here, and no log line per request is asked for."""
    return {
        **os.environ,
        "PATH": f"{place.bin}:{os.environ['PATH']}",
        "PYTHONPATH": str(APPS),
        "PORT": str(place.port),
        "PROCESSES": str(place.processes),
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLSERVER_HTTP_PORT": str(place.port),
        "MLSERVER_GRPC_PORT": str(_free_port()),
        "MLSERVER_METRICS_PORT": str(_free_port()),
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_DEBUG": "false",
        # One process is fastest without a pool of one behind it.
        "MLSERVER_PARALLEL_WORKERS": str(place.processes if place.processes > 1 else 0),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
