"""A scoring script that tries what its host must not let it do, and says what came of each: online
it is asked by a request, in a batch job by a file. It runs in a model's environment, and imports
nothing of the tests."""

import errno
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

LET = "let"


def init() -> None:
    pass


def run(asked: Any) -> Any:
    if isinstance(asked, str):
        return report(json.loads(asked))
    [path] = asked
    with open(path) as file:
        asked = json.load(file)
    beside = sorted(os.listdir(os.path.dirname(path)))
    out = os.environ["AZUREML_BI_OUTPUT_PATH"]
    os.symlink(asked["secrets"][0], os.path.join(out, "leaked.txt"))
    with open(os.path.join(out, "report.json"), "w") as file:
        json.dump({**report(asked), "beside": beside}, file)
    return [path]


def report(asked: dict[str, Any]) -> dict[str, Any]:
    tried: dict[str, Any] = {f"read {path}": tries(open, path, "rb") for path in asked["secrets"]}
    for path in asked["places"]:
        tried[f"write {path}"] = tries(open, os.path.join(path, "left-here"), "w")
    for path in asked["sockets"]:
        tried[f"speak to {path}"] = tries(unix, path)
    tried["signal the host"] = tries(os.kill, asked["host"], 0)
    tried["end the host"] = tries(os.kill, asked["host"], signal.SIGKILL)
    tried["become root"] = tries(os.setuid, 0)
    if asked["metadata"]:
        tried["reach cloud metadata"] = tries(connect, "169.254.169.254", 80)
    tried["the control plane"] = web(asked, asked["control"])
    tried["the scoring door"] = web(asked, asked["open"])
    leave()
    return {
        "tried": tried,
        "threads": multiply(asked["threads"]),
        "processes": seen(),
        "own": tries(open, os.path.join(os.environ["TMPDIR"], "own"), "w"),
        "secrets": sorted(name for name in os.environ if "SECRET" in name or "TOKEN" in name),
    }


def tries(call: Callable[..., object], *arguments: object) -> str:
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return LET


def unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)


def connect(host: str, port: int) -> None:
    with socket.socket() as caller:
        caller.connect((host, port))


def web(asked: dict[str, Any], url: str) -> int:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"authorization": asked["credential"]})
    try:
        with urllib.request.urlopen(request, context=trusting) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def seen() -> int:
    """How many processes there are for it."""
    try:
        return sum(name.isdigit() for name in os.listdir("/proc"))
    except PermissionError:
        return 0


def leave() -> None:
    """Something that is to outlive the endpoint."""
    subprocess.Popen(["sleep", "86400"], start_new_session=True)


def multiply(most: int) -> int:
    """How many threads could be begun."""
    go = threading.Event()
    threads = []
    try:
        for _ in range(most):
            thread = threading.Thread(target=go.wait, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        pass
    go.set()
    for thread in threads:
        thread.join()
    return len(threads)
