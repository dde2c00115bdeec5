"""`mle service`: the units that keep a host, and a host that is started by them."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import main
from cli.services.units import HostService

ODD = HostService(
    "odd",
    "127.0.0.1:7443",
    Path("/srv/100% ours"),
    ["/opt/a b/python", "-m", "infra.embedded", "--data-dir", "/srv/100% ours", "$HOME"],
    {"ML_ENDPOINTS_WORKSPACE": 'the "first"'},
    "ml",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one's own units and data are, with a `systemctl` that notes what it is asked."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    tools = tmp_path / "bin"
    tools.mkdir()
    noting = tools / "systemctl"
    noting.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        "echo LoadState=loaded\necho ActiveState=active\necho SubState=running\necho MainPID=17\n"
    )
    noting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def asked(home: Path) -> list[str]:
    file = home / "asked"
    return file.read_text().splitlines() if file.exists() else []


def units(home: Path) -> Path:
    return home / "config" / "systemd" / "user"


def read(text: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    return unit


def test_a_dry_run_shows_what_would_be_and_does_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install", "--dry-run", "--name", "models"]) == 0
    told = capsys.readouterr().err
    assert f"# {units(home) / 'models.socket'}" in told
    assert "ListenStream=127.0.0.1:7443" in told
    assert "$ systemctl --user enable --now models.socket" in told
    assert not units(home).exists()
    assert asked(home) == []


def test_a_service_is_installed_looked_at_and_removed_and_its_data_stays(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    what = ["--set", "ML_ENDPOINTS_WORKSPACE=ours", "--listen", "0.0.0.0:8443"]
    assert main(["service", "install", *what]) == 0
    assert asked(home) == [
        "--user daemon-reload",
        "--user enable --now ml-endpoints.socket",
        "--user enable --now ml-endpoints.service",
    ]
    socket = read((units(home) / "ml-endpoints.socket").read_text())
    assert socket["Socket"]["ListenStream"] == "0.0.0.0:8443"
    service = (units(home) / "ml-endpoints.service").read_text()
    assert 'Environment="ML_ENDPOINTS_WORKSPACE=ours"' in service
    started = read(service)["Service"]
    kept = home / "data" / "ml-endpoints"
    assert started["Type"] == "notify"
    assert started["ExecStart"].startswith(sys.executable)
    assert started["ExecStart"].endswith(f"-m infra.embedded --data-dir {kept}")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert "User" not in started

    capsys.readouterr()
    assert main(["service", "status", "-o", "tsv", "--query", "[].[unit,state,process]"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ml-endpoints.socket\tactive (running)\t17",
        "ml-endpoints.service\tactive (running)\t17",
    ]
    assert main(["service", "uninstall", "--yes"]) == 0
    assert not list(units(home).iterdir())
    assert "--user disable --now ml-endpoints.service ml-endpoints.socket" in asked(home)
    assert kept.is_dir()
    assert main(["service", "uninstall", "--yes"]) == 1


@pytest.mark.parametrize("words", [["--name", "../x"], ["--set", "nothing"], ["--set", "a=b\nc"]])
def test_what_would_not_be_a_unit_is_refused(home: Path, words: list[str]) -> None:
    assert main(["service", "install", *words]) == 2
    assert not units(home).exists()


def test_where_systemd_is_not_it_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert main(["service", "status"]) == 1
    assert "systemd does not run this machine" in capsys.readouterr().err


def test_what_systemd_would_fill_in_is_said_as_it_is(tmp_path: Path) -> None:
    service = ODD.files(tmp_path)[tmp_path / "odd.service"]
    assert (
        'ExecStart="/opt/a b/python" -m infra.embedded --data-dir "/srv/100%% ours" "$$HOME"'
        in service
    )
    assert 'Environment="ML_ENDPOINTS_WORKSPACE=the \\"first\\""' in service
    assert "WorkingDirectory=/srv/100%% ours" in service
    assert read(service)["Service"]["User"] == "ml"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd's tools are not here")
def test_systemd_itself_finds_no_fault_in_them(tmp_path: Path) -> None:
    there = HostService(
        "there", "127.0.0.1:7443", tmp_path, [sys.executable, "-m", "infra.embedded"], {}, "root"
    )
    files = there.files(tmp_path)
    for path, text in files.items():
        path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "there." not in done.stdout + done.stderr
