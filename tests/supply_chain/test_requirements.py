"""requirements.txt, by which pip installs what a Functions app has: complete, wherever it does."""

import re
import tomllib
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement

from tests.kit.real_app import ROOT

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
TEXT = (ROOT / "requirements.txt").read_text()
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt"))


def blocks() -> Iterator[tuple[Requirement, set[str]]]:
    """Each requirement with its hashes."""
    for block in re.findall(r"^\S.*(?:\n +.*)*", TEXT, re.MULTILINE):
        pinned, *hashes = re.split(r" \\\n +--hash=", block)
        yield Requirement(pinned), set(hashes)


def environment(python: str, platform: tuple[str, str, str]) -> dict[str, str]:
    sys_platform, system, os_name = platform
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": sys_platform,
        "platform_system": system,
        "os_name": os_name,
        "extra": "",
    }


def needed(where: dict[str, str]) -> set[tuple[str, str]]:
    """Names and versions that the project comes to in an environment, by the lock."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in LOCK["package"]:
        packages.setdefault(package["name"], []).append(package)
    found: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str | None, tuple[str, ...]]] = [("mlectl", None, ("host", "azure"))]
    seen: set[tuple[str, str | None, tuple[str, ...]]] = set()
    while waiting:
        name, version, extras = step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        for package in packages[name]:
            if version is not None and package["version"] != version:
                continue
            found.add((name, package["version"]))
            optional = package.get("optional-dependencies", {})
            further = [each for extra in extras for each in optional.get(extra, ())]
            for each in [*package.get("dependencies", ()), *further]:
                if "marker" not in each or Marker(each["marker"]).evaluate(where):
                    waiting.append(
                        (each["name"], each.get("version"), tuple(each.get("extra", ())))
                    )
    return {(name, version) for name, version in found if name != "mlectl"}


def test_every_package_is_pinned_to_the_digests_of_all_its_files() -> None:
    files = {
        (package["name"], package["version"]): {
            file["hash"]
            for file in [*package.get("wheels", ()), package.get("sdist") or {}]
            if "hash" in file
        }
        for package in LOCK["package"]
    }
    read = list(blocks())
    assert len(read) > 50
    for requirement, hashes in read:
        [pin] = requirement.specifier
        assert pin.operator == "=="
        assert hashes == files[requirement.name, pin.version], requirement.name


@pytest.mark.parametrize(("python", "platform"), [*product(PYTHONS, PLATFORMS)])
def test_nothing_is_missing_on_any_python_and_platform(
    python: str, platform: tuple[str, str, str]
) -> None:
    """One package without a digest, and pip would install none of them."""
    where = environment(python, platform)
    pinned = {
        (requirement.name, next(iter(requirement.specifier)).version)
        for requirement, _ in blocks()
        if requirement.marker is None or requirement.marker.evaluate(where)
    }
    assert needed(where) <= pinned


def test_uv_itself_is_installed_by_its_digests() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    [line] = [line for line in makefile.splitlines() if "pip install" in line]
    assert "--require-hashes" in line
    assert [line for line in makefile.splitlines() if "/^uv==/" in line and "uv.txt" in line]
    assert "-r $(VENV)/uv.txt" in line
    [uv] = [requirement for requirement, _ in blocks() if requirement.name == "uv"]
    assert uv.marker is None
