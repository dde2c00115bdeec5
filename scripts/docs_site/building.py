"""The site, put together and built: nothing is left out, no link leads nowhere, and no page
fetches anything from elsewhere."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.docs_site.staging import Site, staged

_FETCHED = re.compile(
    r"<(?:script|img|iframe|source|link(?=[^>]*rel=.?(?:stylesheet|preload|preconnect)))\b[^>]*"
    r"(?:src|href)=[\"']?(?:https?:)?//[^\"'\s>]+"
)
_DECISIONS = "adr"


class Faults(Exception):
    """What is wrong with the site, all at once."""


def prepared(root: Path, generated: dict[str, str]) -> tuple[Site, dict[str, Any]]:
    """The pages, and the builder's configuration. Raises Faults."""
    site = staged(root, generated)
    configuration: dict[str, Any] = yaml.safe_load((root / "docs" / "site.yml").read_text())
    decisions = sorted(page for page in site.pages if page.startswith(f"{_DECISIONS}/"))
    decisions.sort(key=lambda page: not page.endswith("README.md"))
    configuration["nav"] = _filled(configuration["nav"], decisions)
    listed = list(_pages(configuration["nav"]))
    faults = list(site.faults)
    faults += [f"docs/site.yml: {page} is not there." for page in listed if page not in site.pages]
    for page in site.pages:
        if page not in listed and not page.startswith("repository/"):
            faults.append(f"docs/site.yml: {page} is in no part of the site.")
    if faults:
        raise Faults("\n".join(sorted(faults)))
    return site, configuration


def build(root: Path, generated: dict[str, str], out: Path) -> int:
    """Build into `out`, in place of what is there; how many pages. Raises Faults."""
    site, configuration = prepared(root, generated)
    work = out.with_name(f"{out.name}-source")
    for folder in (work, out):
        shutil.rmtree(folder, ignore_errors=True)
    for place, text in site.pages.items():
        _written(work / "docs" / place, text)
    for place, picture in site.pictures.items():
        target = work / "docs" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    configuration |= {"docs_dir": "docs", "site_dir": "site"}
    _written(work / "mkdocs.yml", yaml.safe_dump(configuration, sort_keys=False))
    builder = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [builder, "build", "--strict", "--clean", "-f", work / "mkdocs.yml"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not (work / "site" / "index.html").is_file():
        raise Faults(f"{done.stdout}{done.stderr}".strip())
    (work / "site").replace(out)
    fetched = sorted(set(_fetched(out)))
    if fetched:
        raise Faults("\n".join(f"{page} fetches {what}" for page, what in fetched))
    return len(site.pages)


def _filled(nav: list[Any], decisions: list[str]) -> list[Any]:
    """The navigation with the decisions where it names their folder."""
    filled: list[Any] = []
    for entry in nav:
        if isinstance(entry, dict):
            [(title, below)] = entry.items()
            if isinstance(below, list):
                entry = {title: _filled(below, decisions)}  # noqa: PLW2901
            elif below == _DECISIONS:
                entry = {title: decisions}  # noqa: PLW2901
        filled.append(entry)
    return filled


def _pages(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        below = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(below, list):
            yield from _pages(below)
        else:
            yield below


def _fetched(out: Path) -> Iterator[tuple[str, str]]:
    for page in out.rglob("*.html"):
        for found in _FETCHED.finditer(page.read_text(encoding="utf-8")):
            yield page.relative_to(out).as_posix(), found[0]


def _written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
