"""`python -m tests.architecture.drawing`: draws the layers of the domain and of infra into
CONTRIBUTING.md, from the code. With `--show` it prints them."""

import re
import sys
from collections.abc import Mapping

from tests.architecture import house
from tests.kit.real_app import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
WORDS = frozenset({"errors", "names", "values", "clock"})
"""What nearly everything imports: arrows to it would tell nothing."""

_PLACE = re.compile(r"(<!-- layers of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def drawn(top: str) -> str:
    """A room as a Mermaid flowchart: a box for each layer, an arrow for each import, those
    left out that follow from others."""
    arrows = _needed(
        {a: found - WORDS for a, found in house.imports(top).items() if a not in WORDS}
    )
    lines = ["```mermaid", "flowchart TD"]
    shown = [[part for part in layer if part not in WORDS] for layer in house.layers(top)]
    for number, layer in enumerate(filter(None, shown)):
        lines.append(f'    subgraph {top}{number}[" "]')
        lines.append(f"        {' ~~~ '.join(layer)}" if len(layer) > 1 else f"        {layer[0]}")
        lines.append("    end")
    for part, others in arrows.items():
        lines += [f"    {part} --> {other}" for other in sorted(others)]
    return "\n".join([*lines, "```", ""])


def _needed(arrows: Mapping[str, frozenset[str]]) -> dict[str, set[str]]:
    """Without an arrow where a longer way leads to the same place."""
    return {
        part: {
            other
            for other in others
            if not any(other in _reached(arrows, step) for step in others if step != other)
        }
        for part, others in arrows.items()
    }


def _reached(arrows: Mapping[str, frozenset[str]], start: str) -> set[str]:
    reached: set[str] = set()
    left = list(arrows.get(start, ()))
    while left:
        part = left.pop()
        if part not in reached:
            reached.add(part)
            left += arrows.get(part, ())
    return reached


def redrawn(page: str) -> str:
    """The page with its drawings made anew."""
    return _PLACE.sub(lambda at: f"{at[1]}{drawn(at[2])}{at[3]}", page)


def main(arguments: list[str]) -> int:
    if arguments == ["--show"]:
        print("\n".join(drawn(top) for top in ("domain", "infra")))  # noqa: T201
        return 0
    PAGE.write_text(redrawn(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
