"""Where an installed `azureml-ai-monitoring` sends what it collects: a door on this process's own
loopback, in place of the container that Azure ML has beside a model."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .collected import Collected

_PATH = "/modeldata/log"
_LARGEST = 16 << 20
_TYPE = "azureml.inference."
_OWN = frozenset({"time", "type", "collect-data-type", "agent", "x-request-id", "model-version"})


class CollectingDoor:
    """For this process alone: the package shows the secret that it finds in its variables."""

    def __init__(self, collected: Collected) -> None:
        self._collected = collected

    def open(self) -> None:
        """And have the package told of it, by the variables that it reads."""
        password = secrets.token_urlsafe(24)
        server = _Server(("127.0.0.1", 0), _Handler)
        server.collected = self._collected
        server.shown = "Basic " + base64.b64encode(f"collector:{password}".encode()).decode()
        threading.Thread(target=server.serve_forever, name="collecting", daemon=True).start()
        # Sampling is done here, by the request and not by chance.
        collections = {
            name: {"enabled": True, "sampleRatePercentage": 100} for name in self._collected.rates
        }
        with tempfile.NamedTemporaryFile(
            "w", prefix="data-collector-", suffix=".json", delete=False
        ) as file:
            json.dump({"collections": collections, "runMode": "cloud"}, file)
        os.environ["AZUREML_MDC_CONFIG_PATH"] = file.name
        os.environ["AZUREML_MDC_HOST"] = f"collector:{password}@127.0.0.1"
        os.environ["AZUREML_MDC_PORT"] = str(server.server_address[1])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    collected: Collected
    shown: str


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not hmac.compare_digest(self.headers.get("authorization", ""), self.server.shown):
            self._answer(401)
        elif self.path != _PATH:
            self._answer(404)
        elif not length.isdigit() or int(length) > _LARGEST:
            self._answer(413)
        else:
            self._answer(self._take(self.rfile.read(int(length))))

    def _take(self, body: bytes) -> int:
        collected, event = self.server.collected, self._event()
        collection = event.get("type", "").removeprefix(_TYPE)
        if not collected.has(collection):
            return 404
        correlation = event.get("x-request-id", "") or self.headers.get("trace-id", "")
        if not collected.samples(collection, correlation):
            return 202
        try:
            moment = float(event.get("time", ""))
        except ValueError:
            return 400
        there = collected.put(
            collection,
            body.decode("utf-8", "replace"),
            time=moment,
            correlation=correlation,
            type=event.get("collect-data-type", ""),
            agent=event.get("agent", ""),
            model=event.get("model-version", ""),
            request=correlation,
            contentType=self.headers.get("content-type", "application/json"),
            headers={name: value for name, value in event.items() if name not in _OWN},
        )
        return 202 if there else 429

    def _event(self) -> dict[str, str]:
        named = ((name.lower(), value) for name, value in self.headers.items())
        return {name[3:]: value for name, value in named if name.startswith("ce-")}

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """It says nothing: its errors are the package's to tell."""
