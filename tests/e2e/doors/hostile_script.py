"""A scoring script that tries what its host must not let it do, and says what came of each: online
it is asked by a request, in a batch job by a file. It runs in a model's environment, and imports
nothing of the tests."""

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
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
    for host, port in asked.get("doors", []):
        tried[f"knock at {host}:{port}"] = tries(connect, host, port)
    if asked.get("kernel"):
        tried |= kernel()
    tried["the control plane"] = web(asked, asked["control"])
    tried["the scoring door"] = web(asked, asked["open"])
    leave()
    return {
        "tried": tried,
        "threads": multiply(asked["threads"]),
        "processes": seen(),
        "own": tries(open, os.path.join(tempfile.gettempdir(), "own"), "w"),
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
        # What is dropped without a word is asked for twice.
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        caller.connect((host, port))


def kernel() -> dict[str, str]:
    """What a way out of a container begins with."""
    libc = ctypes.CDLL(None, use_errno=True)

    def system(name: str, *arguments: Any) -> None:
        if getattr(libc, name)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), name)

    with open("/proc/self/status") as file:
        status = dict(line.rstrip().split(":\t", 1) for line in file if ":\t" in line)
    held = {"CapEff": "0" * 16, "CapPrm": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}
    device = os.path.join(tempfile.gettempdir(), "device")
    return {
        **{f"have {name}": LET if status[name] != value else "" for name, value in held.items()},
        "filter no system call": LET if status["Seccomp"] == "0" else "",
        "have namespaces of its own": tries(system, "unshare", 0x10000000),
        "mount": tries(system, "mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "make a device": tries(os.mknod, device, 0o60666, os.makedev(8, 0)),
        "read the packets of others": tries(raw),
        "trace the agent": tries(system, "ptrace", 16, os.getppid(), 0, 0),
        "load a module": tries(system, "syscall", 175, 0, 0, b""),
    }


def raw() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


def web(asked: dict[str, Any], url: str) -> int:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"authorization": asked["credential"]})
    try:
        with urllib.request.urlopen(request, context=trusting) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return 0


def seen() -> int:
    """How many processes there are for it."""
    try:
        return sum(name.isdigit() for name in os.listdir("/proc"))
    except PermissionError:
        return 0


def leave() -> None:
    """Something that is to outlive the endpoint."""
    waits = "import threading; threading.Event().wait()"
    command = ["sleep", "86400"] if shutil.which("sleep") else [sys.executable, "-c", waits]
    subprocess.Popen(command, start_new_session=True)


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
