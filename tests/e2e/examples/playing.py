"""One of Microsoft's examples, done by `mle` as the shell script beside it does by `az ml`."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from outside.running_host import ROOT, RunningHost
from outside.waiting import until
from tests.e2e.examples.catalogue import Example

_SLOW = re.compile(r"answered (408|429|503|504)")


@dataclass
class Play:
    """What came of it. `failed` is what was said where a command did not end well."""

    state: str = ""
    warnings: list[str] = field(default_factory=list)
    answer: str = ""
    failed: list[str] = field(default_factory=list)


class Player:
    """`endpoints` is a copy of `cli/endpoints` that may be written to."""

    def __init__(self, host: RunningHost, endpoints: Path) -> None:
        self._host = host
        self._endpoints = endpoints

    def play(self, example: Example, endpoint: str) -> Play:
        """Every command, whatever became of the one before; `endpoint` is its own."""
        played, kind = Play(), example.kind
        for command in example.before:
            self._said(played, *self.filled(example, endpoint, command.split()))
        made = [f"{kind}-endpoint", "create", "-n", endpoint]
        if example.endpoint:
            made += self.filled(example, endpoint, ["-f", example.endpoint])
        self._said(played, *made)
        deploy = [f"{kind}-deployment", "create", "-e", endpoint]
        deploy += self.filled(example, endpoint, ["-f", example.file])
        deploy.append("--set-default" if kind == "batch" else "--all-traffic")
        for each in example.sets:
            deploy += ["--set", each]
        deployed = self._said(played, *deploy)
        if deployed is None:
            return played
        played.state = deployed["provisioning_state"]
        played.warnings = deployed.get("warnings") or []
        if example.request:
            ask = self._job if kind == "batch" else self._answer
            played.answer = ask(played, endpoint, example.request)
        return played

    def plan(self, example: Example, endpoint: str) -> dict[str, Any]:
        """The same for the official SDK, as outside.official_sdk.examples has it."""
        _, file = self.filled(example, endpoint, ["-f", example.file])
        made = ""
        if example.endpoint:
            _, made = self.filled(example, endpoint, ["-f", example.endpoint])
        return {
            "file": file,
            "kind": example.kind,
            "endpoint": made,
            "name": endpoint,
            "before": [self.filled(example, endpoint, each.split()) for each in example.before],
            "sets": [each.split("=", 1) for each in example.sets],
            "request": example.request,
        }

    def shell(self, script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """A script of `cli`, where `az` leads to the host."""
        self._mle("az-shim", "--install", str(folder))
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self._endpoints.parent,
            env={
                **self._environment(),
                "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                "CURL_CA_BUNDLE": self._host.connection["ca_file"],
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def clear(self, example: Example, endpoint: str) -> None:
        """Its processes are not to be beside those of the next."""
        self._mle(f"{example.kind}-endpoint", "delete", "-n", endpoint, "--yes")

    def _said(self, played: Play, *words: str) -> Any:
        """A command's answer; None where it did not end well."""
        done = self._mle(*words)
        if done.returncode == 0:
            return json.loads(done.stdout or "null")
        played.failed.append(f"mle {' '.join(words)}\n{done.stderr}")
        return None

    def _mle(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=self._endpoints,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MLE_CONNECTION": str(self._host.connection_file),
            "MLE_CONFIG_DIR": str(self._endpoints / ".mle"),
        }

    def filled(self, example: Example, endpoint: str, words: list[str]) -> list[str]:
        """`words`, with a file of YAML as the shell script copies it: its placeholders filled."""
        return [
            self._copied(example, endpoint, word) if before == "-f" else word
            for before, word in zip(["", *words], words, strict=False)
        ]

    def _copied(self, example: Example, endpoint: str, file: str) -> str:
        text = (self._endpoints / file).read_text()
        for name, value in {"ENDPOINT_NAME": endpoint, **example.fills}.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        copy = (self._endpoints / file).with_name(f"{Path(file).stem}-{endpoint}.yml")
        copy.write_text(text)
        return str(copy.relative_to(self._endpoints))

    def _answer(self, played: Play, endpoint: str, request: str) -> str:
        if not request.endswith(".json"):
            return self._picture(endpoint, request)
        words = ("online-endpoint", "invoke", "-n", endpoint, "--request-file", request)

        def asked() -> "subprocess.CompletedProcess[str] | None":
            """A request may take 3 seconds there, which a busy machine needs for the first."""
            done = self._mle(*words)
            return None if _SLOW.search(done.stderr) else done

        done = until(asked, "an answer in time")
        if done.returncode != 0:
            played.failed.append(f"mle {' '.join(words)}\n{done.stderr}")
            return ""
        return told(done.stdout)

    def _picture(self, endpoint: str, picture: str) -> str:
        """As curl sends it; what comes back is told by its size."""
        workspace = self._host.workspace
        item = f"onlineEndpoints/{endpoint}"
        place = workspace.get(item)["properties"]["scoringUri"]
        key = workspace.call("POST", f"{item}/listKeys").json()["primaryKey"]
        sent = {"file": (self._endpoints / picture).read_bytes()}
        bearer = {"authorization": f"Bearer {key}"}
        answered = until(
            lambda: _in_time(workspace.http.post(place, files=sent, headers=bearer)),
            "an answer in time",
        )
        height, width = _size_of(answered.content)
        kind = answered.headers["content-type"]
        return repr(f"{'JPEG' if kind == 'image/jpg' else kind} ({width}, {height})")

    def _job(self, played: Play, endpoint: str, data: str) -> str:
        """The files of the job's output, once it has completed."""
        words = ("batch-endpoint", "invoke", "-n", endpoint, "--input", data)
        job = self._said(played, *words)
        if job is None:
            return ""
        streamed = self._mle("job", "stream", "-n", job["name"])
        shown = self._said(played, "job", "show", "-n", job["name"])
        if shown["status"] != "Completed":
            played.failed.append(f"{shown}\n{streamed.stdout}\n{streamed.stderr}")
        folder = self._endpoints / f"out-{endpoint}"
        fetch = ("job", "download", "-n", job["name"], "--output-name", "score", "-p", str(folder))
        self._mle(*fetch)
        return repr(sorted(file.name for file in folder.rglob("*") if file.is_file()))


def told(answer: str) -> str:
    """What a deployment answered, as Python would write it; some put JSON into JSON."""
    answered = json.loads(answer)
    return repr(json.loads(answered) if isinstance(answered, str) else answered)


def _in_time(answer: httpx.Response) -> httpx.Response | None:
    return None if answer.status_code in (408, 429, 503, 504) else answer


def _size_of(jpeg: bytes) -> tuple[int, int]:
    """Height and width, from the frame's header."""
    place = 2
    while jpeg[place] == 0xFF and jpeg[place + 1] not in range(0xC0, 0xC3):
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    height = int.from_bytes(jpeg[place + 5 : place + 7])
    return height, int.from_bytes(jpeg[place + 7 : place + 9])
