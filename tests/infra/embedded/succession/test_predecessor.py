"""Who is found on a data folder to take over from."""

import socket
import threading
from pathlib import Path

import pytest

from infra.embedded.data_folder import DataFolder
from infra.embedded.succession.channel import short
from infra.embedded.succession.predecessor import NotGiven, Predecessor
from tests.kit.waiting import PATIENCE


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """One with a name that is too long for a socket's."""
    folder = DataFolder(tmp_path / ("long" * 30))
    folder.make()
    return folder


@pytest.fixture
def running(folder: DataFolder) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.settimeout(PATIENCE)
    with short(folder.successors) as name:
        listening.bind(name)
    listening.listen()
    return listening


def test_where_no_host_runs_there_is_none(folder: DataFolder) -> None:
    assert Predecessor.on(folder) is None


def test_a_killed_host_is_none(folder: DataFolder, running: socket.socket) -> None:
    running.close()
    assert folder.successors.exists()
    assert Predecessor.on(folder) is None


def test_one_that_goes_to_another_is_not_had(folder: DataFolder, running: socket.socket) -> None:
    with running:
        closing = threading.Thread(target=lambda: _let_in(running).close())
        closing.start()
        with pytest.raises(NotGiven, match="given it to another"):
            Predecessor.on(folder)
        closing.join()


def _let_in(listening: socket.socket) -> socket.socket:
    return listening.accept()[0]
