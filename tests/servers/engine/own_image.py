"""Images as users bring them: a server of their own, and no Python package of ours."""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from typing import Final

from infra.compute.docker.engine import printed
from tests.servers.engine.dockerd import BASE, VERSION, EngineApi

PORT: Final = 8501
SERVER: Final = r"""
import json
import os
import signal
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("MODE", "")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("the server begins as", MODE or "usual", flush=True)
if MODE == "exit":
    sys.exit(7)
if MODE == "greedy":
    KEPT = bytearray(3 * 10**8)
sick = MODE == "sick"


def tried(path):
    try:
        with open(path, "w"):
            return "written"
    except OSError as error:
        return error.strerror


def token():
    url = os.environ["IDENTITY_ENDPOINT"] + "?resource=https://management.azure.com"
    shown = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}
    with urllib.request.urlopen(urllib.request.Request(url, headers=shown)) as answer:
        return json.load(answer)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        global sick
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, told = 200, {}
        if self.path == "/health":
            status = 503 if sick else 200
        elif self.path == "/token":
            told = token()
        elif self.path == "/sicken":
            sick = True
        elif self.path == "/die":
            print("the server is asked to die", flush=True)
            os._exit(9)
        else:
            model = os.environ.get("AZUREML_MODEL_DIR", "")
            files = [os.path.join(d, n) for d, _, names in os.walk(model) for n in names]
            told = {
                "method": self.command,
                "path": self.path,
                "body": body.decode(),
                "secret": [n for n in self.headers if n.lower().startswith("ml-endpoints")],
                "variables": dict(os.environ),
                "files": {path: open(path).read() for path in files},
                "model": tried(os.path.join(model, "more")),
                "own": tried("/written"),
                "user": os.getuid(),
            }
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *args):
        pass


port = 8502 if MODE == "elsewhere" else 8501
ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


def own_image(engine: EngineApi, files: Mapping[str, str] | None = None) -> str:
    """Built of the base image that tests have, unless it is there; its name. `files` are laid
    over a Dockerfile and a server."""
    dockerfile = (
        f'FROM {BASE.format(python=VERSION)}\nCOPY . /app\nCMD ["python3", "/app/server.py"]'
    )
    content = {"Dockerfile": dockerfile, "server.py": SERVER, **(files or {})}
    digest = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()[:12]
    name = f"ml-endpoints-test-own:{digest}"
    if engine.ask("GET", f"images/{name}/json")[0] == 200:
        return name
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for path, text in content.items():
                entry = tarfile.TarInfo(path)
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        file.seek(0)
        engine.do("POST", "build", file, t=name, rm=True)
    return name


def run_in(
    engine: EngineApi, image: str, script: str, variables: Mapping[str, str], *, binds: list[str]
) -> tuple[int, str]:
    """The exit status of a Python script in an image, on this machine's own network, and what it
    printed."""
    body = {
        "Image": image,
        "Entrypoint": ["python3", "-c", script],
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "HostConfig": {"NetworkMode": "host", "Binds": binds},
    }
    status, content = engine.ask("POST", "containers/create", body)
    assert status == 201, content
    id = json.loads(content)["Id"]
    try:
        engine.do("POST", f"containers/{id}/start")
        status, content = engine.ask("POST", f"containers/{id}/wait")
        assert status == 200, content
        _, told = engine.ask("GET", f"containers/{id}/logs", stdout=True, stderr=True)
        return json.loads(content)["StatusCode"], printed(told)
    finally:
        engine.do("DELETE", f"containers/{id}", force=True)
