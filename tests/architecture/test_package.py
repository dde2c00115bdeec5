"""What is published to a Functions app: what it needs and nothing else."""

import fnmatch
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.kit.real_app import ROOT
from tests.kit.waiting import PATIENCE


def test_requirements_are_those_of_the_lock(tmp_path: Path) -> None:
    """`make requirements` writes the file anew."""
    makefile = (ROOT / "Makefile").read_text()
    [line] = [line for line in makefile.splitlines() if "uv export" in line]
    arguments = line.split("uv export ")[1].replace("-o requirements.txt", "").split()
    uv = Path(sys.executable).parent / "uv"
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(tmp_path), "UV_OFFLINE": "1"}
    exported = subprocess.run(
        [uv, "export", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    assert exported == (ROOT / "requirements.txt").read_text()


def test_the_license_is_the_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [file] = project["license-files"]
    text = (ROOT / file).read_text()
    assert text.startswith(f"{project['license']} License\n")
    assert f"{project['authors'][0]['name']}\n" in text
    assert not ignored(file), "it goes wherever the code goes"


def test_what_is_held_against_whom_is_written_where_one_looks() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Report a weakness",
        "## What is held",
        "## What is not held",
    ]
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^):#]+)", text):
        assert (ROOT / link).exists(), link


def ignored(path: str) -> bool:
    """.funcignore reads as .gitignore does; ours has plain names and folders only."""
    patterns = (ROOT / ".funcignore").read_text().split()
    assert not [p for p in patterns if p.startswith(("!", "#")) or "**" in p]
    parts = path.split("/")
    heads = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    for pattern in patterns:
        name = pattern.rstrip("/")
        candidates = heads if "/" in name else parts
        if any(fnmatch.fnmatchcase(candidate, name) for candidate in candidates):
            return True
    return False


@pytest.mark.parametrize(
    "path",
    [
        "function_app.py",
        "host.json",
        "requirements.txt",
        "domain/ports/__init__.py",
        "handlers/http.py",
        "infra/composition/__init__.py",
        "infra/embedded/database/sqlite.py",
        "runtime/__main__.py",
        "runtime/serve.py",
    ],
)
def test_what_the_app_needs_is_published(path: str) -> None:
    assert (ROOT / path).exists()
    assert not ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        "tests/kit/real_app.py",
        "examples/demo.py",
        "docs/glossary.md",
        "benchmarks/x.py",
        "outside/waiting.py",
        ".data/documents.db",
        ".venv/bin/python",
        ".git/config",
        ".ci/run",
        ".env/../.git",
        "local.settings.json",
        "local.settings.sample.json",
        "domain/__pycache__/ports.cpython-311.pyc",
        "infra/bicep/main.bicep",
        "cli/main.py",
        "ml_endpoints/command.py",
    ],
)
def test_what_only_we_need_stays_at_home(path: str) -> None:
    assert ignored(path)


def test_host_json_is_what_a_host_reads() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["version"] == "2.0"
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert host["extensions"]["serviceBus"]["autoCompleteMessages"] is True
    assert host["extensions"]["serviceBus"]["maxConcurrentCalls"] >= 1
