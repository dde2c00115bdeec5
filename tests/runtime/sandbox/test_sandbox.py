"""One command kept apart, by each of the means that this machine may have."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUNTIME = Path(__file__).resolve().parents[3] / "runtime"
PYTHON = os.path.realpath(sys.executable)
PREFIX = str(Path(PYTHON).parents[1])

LOOK = """
import errno, json, os, socket, sys
def tries(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "let"
given, own, host = sys.argv[1:4]
with socket.socket(fileno=int(sys.argv[5].removeprefix("fd:"))) as door:
    listens = door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
print(json.dumps({
    "read": tries(open, given),
    "read another": tries(open, os.path.dirname(os.path.dirname(given)) + "/other"),
    "write": tries(open, own + "/made", "w"),
    "write another": tries(open, given, "a"),
    "look into the host": tries(open, f"/proc/{host}/environ"),
    "signal the host": tries(os.kill, int(host), 0),
    "listens": listens,
    "variables": sorted(os.environ),
    "privileges": [
        line.split()[1]
        for line in open("/proc/self/status")
        if line.startswith(("CapEff", "CapBnd", "NoNewPrivs"))
    ],
}))
"""


def plan(folder: Path, command: list[str], **fields: Any) -> dict[str, Any]:
    for name in ("given", "own", "home", "root"):
        (folder / name).mkdir()
    for name in ("given/file", "other"):
        (folder / name).write_text("text")
    (folder / "given").chmod(0o755)
    (folder / "given" / "file").chmod(0o644)
    return {
        "command": [PYTHON, "-I", "-S", *command],
        "environment": {"GIVEN": "yes", "LC_ALL": "C.UTF-8"},
        "folder": "/usr",
        "readable": [PREFIX, str(folder / "given")],
        "writable": ["own"],
        "shared": [],
        "hidden": str(folder),
        "written": str(folder),
        "home": str(folder / "home"),
        "root": str(folder / "root"),
        "socket": str(folder / "door"),
        "landlock": True,
        **fields,
    }


def run(described: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    with open(os.memfd_create("plan"), "w+") as file:
        json.dump(described, file)
        file.flush()
        file.seek(0)
        return subprocess.run(
            [sys.executable, "-I", "-S", str(RUNTIME), "sandbox", str(file.fileno())],
            pass_fds=[file.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )


LACKING = ("Operation not permitted", "Function not implemented", "Operation not supported")
"""What a machine says that has not the means."""
MEANS = [
    pytest.param({"namespaces": "root", "user": 1_900_000_000}, id="root"),
    pytest.param({"namespaces": "user"}, id="user"),
    pytest.param({"namespaces": ""}, id="landlock"),
]


def had(ended: subprocess.CompletedProcess[str]) -> str:
    """What a command printed, where the machine has the means."""
    if any(why in ended.stderr for why in LACKING):
        pytest.skip(ended.stderr)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def scopes() -> bool:
    """Whether this kernel's Landlock keeps signals within."""
    command = [sys.executable, "-I", "-S", str(RUNTIME), "sandbox"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) >= 6


@pytest.mark.parametrize("means", MEANS)
def test_a_command_reaches_what_it_is_given_and_no_more(
    tmp_path: Path, means: dict[str, Any]
) -> None:
    if means.get("user") and os.geteuid() != 0:
        pytest.skip("not root")
    given, own = str(tmp_path / "given" / "file"), str(tmp_path / "own")
    told = json.loads(had(run(plan(tmp_path, ["-c", LOOK, given, own, str(os.getpid())], **means))))
    assert (told["read"], told["write"], told["listens"]) == ("let", "let", 1)
    assert "let" not in (told["read another"], told["write another"])
    assert told["look into the host"] != "let"
    assert told["signal the host"] != "let" or not (means["namespaces"] or scopes())
    assert told["variables"] == ["GIVEN", "LC_ALL"]
    effective, bounds, gains_none = told["privileges"]
    assert (effective, gains_none) == ("0" * 16, "1")
    # A user's process has no right to narrow its bounds, and gains nothing up to them.
    assert bounds == "0" * 16 or not (means["namespaces"] or os.geteuid() == 0)


@pytest.mark.parametrize("means", MEANS)
def test_what_is_hidden_is_so_where_a_folder_above_it_is_given(
    tmp_path: Path, means: dict[str, Any]
) -> None:
    if means.get("user") and os.geteuid() != 0:
        pytest.skip("not root")
    above, hidden = tmp_path / "above", tmp_path / "above" / "hidden"
    hidden.mkdir(parents=True)
    (above / "beside").write_text("text")
    for place, mode in ((above, 0o755), (hidden, 0o755), (above / "beside", 0o644)):
        place.chmod(mode)
    readable = [PREFIX, str(above), str(hidden / "given")]
    script = f"""
for path in ("beside", "hidden/given/file", "hidden/other"):
    try:
        print(open({str(above)!r} + "/" + path).read())
    except OSError:
        print("refused")
"""
    described = plan(hidden, ["-c", script], readable=readable, **means)
    (hidden / "other").chmod(0o644)
    assert had(run(described)).split() == ["text", "text", "refused"]


@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize(
    ("script", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 6)", -6)]
)
def test_who_looks_after_a_command_ends_as_it_does(
    tmp_path: Path, means: dict[str, Any], script: str, status: int
) -> None:
    if means.get("user") and os.geteuid() != 0:
        pytest.skip("not root")
    ended = run(plan(tmp_path, ["-c", script], **means))
    if any(why in ended.stderr for why in LACKING):
        pytest.skip(ended.stderr)
    assert ended.returncode == status, ended.stderr


def test_a_command_without_a_network_reaches_itself_alone(tmp_path: Path) -> None:
    script = """
import socket
door = socket.create_server(("127.0.0.1", 0))
socket.socket().connect(door.getsockname())
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))
except OSError as error:
    print(error.errno)
"""
    namespaces = "root" if os.geteuid() == 0 else "user"
    described = plan(tmp_path, ["-c", script], namespaces=namespaces, network=False)
    assert had(run(described)) == "101\n"


def test_a_command_that_cannot_be_kept_apart_is_not_run(tmp_path: Path) -> None:
    described = plan(tmp_path, ["-c", "print('run')"], cgroups=[str(tmp_path / "nothing")])
    ended = run(described)
    assert (ended.returncode, ended.stdout) == (70, "")
    assert "It cannot be isolated as it should be" in ended.stderr
