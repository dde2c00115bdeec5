"""What is installed as `mlectl`."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.kit.real_app import ROOT
from tests.kit.waiting import PATIENCE


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel has in it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*command, "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_one_package_of_ours_is_at_the_top_of_an_environment(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ml_endpoints"}


def test_the_host_and_the_command_line_are_in_it_and_tests_are_not(installed: Path) -> None:
    app = installed / "ml_endpoints" / "_app"
    assert {path.name for path in app.iterdir()} == {
        *("cli", "domain", "handlers", "infra", "runtime", "studio"),
        *("function_app.py", "host.json"),
    }
    assert not [path for path in installed.rglob("*") if path.suffix in (".pyc", ".bicep")]
    assert list(installed.glob("*.dist-info/licenses/LICENSE"))
    of_studio = {path.name for path in (app / "studio").iterdir()}
    assert of_studio - {"dist"} == {"__init__.py", "pages.py"}


def test_its_command_runs_from_there_and_names_its_version(installed: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = "import sys; from ml_endpoints.command import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def mle(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-P", "-c", asked, *words],
            cwd=installed,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout

    assert mle("--version") == f"mle {project['version']}\n"
    assert "online-deployment" in mle("--help")


def test_the_thin_command_line_needs_what_is_installed_with_it_and_nothing_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    thin = {name.split(">")[0] for name in project["dependencies"]}
    assert thin == {"jmespath", "pathspec", "pyyaml"}
    blocked = [name.split(">")[0] for name in project["optional-dependencies"]["host"]]
    modules = [name.replace("-", "_").split("[")[0] for name in blocked if name != "uv"]
    script = (
        "import sys, pkgutil, importlib\n"
        f"for name in {modules}: sys.modules[name] = None\n"
        "import cli\n"
        "for each in pkgutil.walk_packages(cli.__path__, 'cli.'):\n"
        "    if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=PATIENCE)
