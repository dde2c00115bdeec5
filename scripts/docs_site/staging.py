"""The site's pages put together from the repository: docs/ as it is, what it links to outside of
docs/, and generated pages. Links are held here, whatever then builds the site."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.docs_site.markdown import headings, links, prose

OUTSIDE = "repository"
"""Where pages that lie outside of docs/ stand in the site."""
_LANGUAGES = {".py": "python", ".json": "json", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml"}
_PICTURES = (".png", ".svg")


@dataclass
class Site:
    """Pages, and pictures, by their path in the site; and every fault that was found."""

    pages: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def staged(root: Path, generated: Mapping[str, str]) -> Site:
    """The site of a repository at `root`, with the generated pages by their path below docs/."""
    sources = Sources(root, generated)
    site = Site()
    waiting = [path.relative_to(root).as_posix() for path in sorted(root.glob("docs/**/*.md"))]
    waiting += [f"docs/{path}" for path in generated]
    while waiting:
        source = waiting.pop()
        place = place_of(source)
        if source.endswith(_PICTURES):
            site.pictures[place] = root / source
        elif place not in site.pages:
            page = _Page(sources, source)
            site.pages[place] = page.rendered()
            site.faults += page.faults
            waiting += page.targets
    return site


def place_of(source: str) -> str:
    """Where in the site a path of the repository stands."""
    if source.startswith("docs/"):
        return source.removeprefix("docs/")
    if source.endswith(_PICTURES):
        return f"{OUTSIDE}/{source}"
    if source.endswith(".md"):
        # A builder takes README.md for the page of its folder.
        return f"{OUTSIDE}/{source.lower().replace('readme.md', 'read-me.md')}"
    return f"{OUTSIDE}/{source}.md"


class Sources:
    """What pages are made of, by path in the repository."""

    def __init__(self, root: Path, generated: Mapping[str, str]) -> None:
        self._root = root
        self._generated = generated
        self._anchors: dict[str, set[str]] = {}

    def has(self, source: str) -> bool:
        return source.removeprefix("docs/") in self._generated or (self._root / source).exists()

    def text(self, source: str) -> str:
        """A page as Markdown: a file's text in a block, a folder as what is in it."""
        written = self._generated.get(source.removeprefix("docs/"))
        if written is not None:
            return written
        path = self._root / source
        if path.is_dir():
            names = sorted(each.name for each in path.iterdir() if each.name[0] not in "._")
            return "\n".join([f"# {source}", "", *(f"- `{name}`" for name in names)])
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            return text
        fence = "````" if "```" in text else "```"
        return f"# {source}\n\n{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{text}\n{fence}"

    def anchors(self, source: str) -> set[str]:
        """Of a page's headings."""
        if source not in self._anchors:
            found = headings(self.text(source)).values()
            self._anchors[source] = {slug for _, slug in found}
        return self._anchors[source]


class _Page:
    """One page on its way into the site; `targets` and `faults` are known once it is rendered."""

    def __init__(self, sources: Sources, source: str) -> None:
        self._sources = sources
        self._source = source
        self.targets: list[str] = []
        self.faults: list[str] = []

    def rendered(self) -> str:
        """The page with links as the site has them, and headings with GitHub's anchors."""
        text = self._sources.text(self._source)
        lines = text.splitlines()
        titles = headings(text)
        before = ""
        for index, line in prose(text):
            lines[index] = self._linked(index, line)
            if _begins_list(line) and before and not _is_of_list(before):
                # Markdown's first rule, which GitHub does not ask for.
                lines[index] = f"\n{lines[index]}"
            before = line
        for index, (_, slug) in titles.items():
            lines[index] = f"{lines[index].rstrip(' #')} {{#{slug}}}"
        return "\n".join(lines) + "\n"

    def _linked(self, index: int, line: str) -> str:
        for found in reversed(list(links(line))):
            target = found["target"]
            if "://" not in target and not target.startswith("mailto:"):
                moved = self._moved(index, target)
                line = f"{line[: found.start('target')]}{moved}{line[found.end('target') :]}"
        return line

    def _moved(self, index: int, target: str) -> str:
        named, _, part = target.partition("#")
        here = posixpath.dirname(self._source)
        path = posixpath.normpath(posixpath.join(here, named)) if named else self._source
        if self._sources.has(f"{path}/README.md"):
            path = f"{path}/README.md"
        where = f"{self._source}:{index + 1}: {target}"
        if path.startswith("..") or not self._sources.has(path):
            self.faults.append(f"{where} is not there.")
            return target
        if part and path.endswith(".md") and part not in self._sources.anchors(path):
            self.faults.append(f"{where}: there is no such heading.")
        self.targets.append(path)
        moved = posixpath.relpath(place_of(path), posixpath.dirname(place_of(self._source)))
        return f"{moved}#{part}" if part else moved


def _begins_list(line: str) -> bool:
    return line.startswith(("- ", "* ", "1. "))


def _is_of_list(line: str) -> bool:
    return line.startswith(("- ", "* ", " ", "#", "|")) or line[:1].isdigit()
