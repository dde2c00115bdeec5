"""What a service manager is told."""

import socket
from pathlib import Path

from infra.embedded.service_manager import ServiceManager


def test_a_manager_hears_what_is_told_and_processes_that_are_started_know_nothing_of_it(
    tmp_path: Path,
) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PATH": "/bin"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        ServiceManager(environment).tell("READY=1")
        assert listening.recv(100) == b"READY=1"
    assert environment == {"PATH": "/bin"}


def test_one_in_the_abstract_namespace_hears_too(tmp_path: Path) -> None:
    name = f"ml-endpoints{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
        assert listening.recv(100) == b"READY=1"


def test_nothing_goes_wrong_where_nobody_listens(tmp_path: Path) -> None:
    ServiceManager({}).tell("READY=1")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
