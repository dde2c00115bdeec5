"""What of Markdown has to be seen to check links and to put text into tables."""

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$")
_CODE = re.compile(r"(`+)(?:(?!\1).)+\1")
LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?=\))")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside of fenced and indented code, with their indexes."""
    fence, before_blank = "", True
    for index, line in enumerate(text.splitlines()):
        opened = _FENCE.match(line)
        if fence:
            if opened and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if opened:
            fence = opened[1]
        elif not (before_blank and line.startswith("    ")):
            yield index, line
        if line.strip() and not line.startswith("    "):
            before_blank = False
        elif not line.strip():
            before_blank = True


def headings(text: str) -> dict[int, tuple[str, str]]:
    """By line: a heading as it is written, and the anchor that GitHub gives it."""
    found: dict[int, tuple[str, str]] = {}
    taken: dict[str, int] = {}
    for index, line in prose(text):
        heading = _HEADING.match(line)
        if heading:
            slug = anchor(heading[2])
            count = taken.get(slug, 0)
            taken[slug] = count + 1
            found[index] = (line, f"{slug}-{count}" if count else slug)
    return found


def anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def links(line: str) -> Iterator[re.Match[str]]:
    """The links of a line of prose, but for what stands in code."""
    hidden = _CODE.sub(lambda code: " " * len(code[0]), line)
    for found in LINK.finditer(line):
        if hidden[found.start()] == "]":
            yield found


def cell(text: str) -> str:
    """Text as it may stand in a table."""
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain.replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Text in code, as it may stand in a table."""
    return f"`{' '.join(text.split())}`".replace("|", "\\|") if text else ""


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A table's lines; nothing where it has no rows."""
    if not rows:
        return []
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows), ""]
