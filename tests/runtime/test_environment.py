import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import package_indexes
from runtime.environment import COMPLETE, LOCK, is_complete
from tests.kit.waiting import PATIENCE, until

RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
UV = str(Path(sys.executable).with_name("uv"))
# As long as the tool that runs it is there: a build that is stopped must leave nobody behind.
ENDLESS = """
import os, time
tool = os.getppid()
while os.getppid() == tool:
    time.sleep(0.05)
"""


def command(tmp_path: Path, requirements: list[str], *more: str, python: str = "3.11") -> list[str]:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"python": python, "requirements": requirements}))
    arguments = ["--spec", str(spec), "--target", str(tmp_path / "env"), "--uv", UV, *more]
    return [sys.executable, "-I", str(RUNTIME), "build", *arguments]


def build(
    tmp_path: Path, requirements: list[str], *more: str, python: str = "3.11"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, requirements, *more, python=python),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def package(tmp_path: Path, body: str = "") -> str:
    """A requirement on a package that lies on this disk, with `body` in its setup.py."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "tiny.py").write_text("answer = 42\n")
    backend = """
import os, zipfile
def build_wheel(folder, *_):
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.write("tiny.py")
        info = "tiny-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\n"
                       "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
    (folder / "backend.py").write_text(body + backend)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "tiny"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    return f"tiny @ {folder.as_uri()}"


def test_an_environment_is_built_with_its_requirements(tmp_path: Path) -> None:
    done = build(tmp_path, [package(tmp_path)])
    assert done.returncode == 0, done.stdout
    assert is_complete(tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    shown = subprocess.check_output([python, "-c", "import tiny; print(tiny.answer)"], text=True)
    assert shown == "42\n"
    assert "already there" in build(tmp_path, []).stdout


def test_what_was_resolved_is_kept(tmp_path: Path) -> None:
    build(tmp_path, [package(tmp_path)])
    assert (tmp_path / "env" / LOCK).read_text().startswith("tiny @ file://")


def test_a_build_that_fails_shows_the_tools_output_and_leaves_nothing(tmp_path: Path) -> None:
    broken = package(tmp_path, "raise RuntimeError('no compiler for this one')\n")
    done = build(tmp_path, [broken])
    assert done.returncode == 1
    assert "no compiler for this one" in done.stdout
    assert "uv pip failed" in done.stdout
    assert not (tmp_path / "env").exists()


def test_a_build_that_was_killed_counts_for_nothing(tmp_path: Path) -> None:
    slow = package(tmp_path, "open('begun', 'w').close()\n" + ENDLESS)
    process = subprocess.Popen(
        command(tmp_path, [slow], "--lifeline"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: any(tmp_path.rglob("begun")), "the package's build has begun")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert not is_complete(tmp_path / "env")
    (tmp_path / "tiny" / "backend.py").unlink()
    until(lambda: lock_is_free(tmp_path / "env.lock"), "the lock is free")
    again = build(tmp_path, [])
    assert again.returncode == 0, again.stdout
    assert is_complete(tmp_path / "env")


def test_builders_of_one_folder_take_turns(tmp_path: Path) -> None:
    requirement = package(tmp_path)
    builders = [
        subprocess.Popen(command(tmp_path, [requirement]), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [builder.communicate(timeout=PATIENCE)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert sum("built in" in output for output in outputs) == 1
    assert sum("already there" in output for output in outputs) == 2


def test_a_build_past_its_deadline_is_stopped(tmp_path: Path) -> None:
    slow = package(tmp_path, ENDLESS)
    done = build(tmp_path, [slow], "--deadline", "1")
    assert done.returncode == 1
    assert "ran out of time" in done.stdout
    assert not (tmp_path / "env").exists()


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = build(tmp_path, [], python="3.99")
    assert done.returncode == 1
    assert "Python 3.99 is not on this machine" in done.stdout


def test_a_requirement_is_never_an_option_of_the_tool(tmp_path: Path) -> None:
    done = build(tmp_path, ["--index-url=http://localhost:1/"])
    assert done.returncode == 1
    assert "is an option" in done.stdout


@pytest.mark.parametrize("spec", ["", "[]", '{"python": 3}', '{"python": "3.11"}'])
def test_a_spec_that_is_none_is_refused(tmp_path: Path, spec: str) -> None:
    line = command(tmp_path, [])
    (tmp_path / "spec.json").write_text(spec)
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "no environment spec" in done.stdout


def test_a_half_made_folder_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "env" / "lib" / "junk"
    half.mkdir(parents=True)
    assert build(tmp_path, []).returncode == 0
    assert not half.exists()
    assert (tmp_path / "env" / COMPLETE).is_file()


def test_pips_settings_hold_for_uv_unless_uv_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name == "SSL_CERT_FILE":
            monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://mirror.test/simple\n"
        "[install]\nfind-links = /wheels /more\nextra_index_url =\n  https://a.test\n  https://b.test\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = package_indexes.of_pip()
    assert settings["UV_DEFAULT_INDEX"] == "https://mirror.test/simple"
    assert settings["UV_FIND_LINKS"] == "/wheels,/more"
    assert settings["UV_INDEX"] == "https://a.test https://b.test"
    monkeypatch.setenv("PIP_INDEX_URL", "https://nearer.test/simple")
    assert package_indexes.of_pip()["UV_DEFAULT_INDEX"] == "https://nearer.test/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.test/simple")
    assert "UV_DEFAULT_INDEX" not in package_indexes.of_pip()


def test_a_password_in_pips_files_is_not_for_the_code_that_a_build_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://robot:secret@mirror.test/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "UV_DEFAULT_INDEX" not in package_indexes.of_pip()
    told = capsys.readouterr().out
    assert "ML_ENDPOINTS_PACKAGE_INDEX" in told
    assert "secret" not in told


def lock_is_free(path: Path) -> bool:
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
