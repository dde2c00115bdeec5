"""Whatever a page has one type is taken by the parsers of `mle`."""

from pathlib import Path

import pytest

from cli.failures import UsageFailed
from cli.main import GROUPS, SHORT, command_module
from cli.verbs import parse
from scripts.docs_site.blocks import blocks, typed
from tests.kit.real_app import ROOT

SHELL = ("bash", "sh", "console", "text", "")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")])


def fault(words: list[str]) -> str:
    """What the parser has against them; nothing where it takes them."""
    if not words or words[0] in ("--help", "--version"):
        return ""
    name, *rest = words
    try:
        if name in SHORT:
            parse(f"mle {name}", command_module(name).VERBS[name], rest)
        elif name in GROUPS and rest and rest[0] in command_module(name).GROUP.verbs:
            parse(f"mle {name}", command_module(name).GROUP.verbs[rest[0]], rest[1:])
        else:
            return "there is no such command"
    except UsageFailed as failed:
        return failed.message
    except SystemExit:  # After --help.
        return ""
    return ""


def commands(page: Path) -> list[tuple[int, list[str]]]:
    found = []
    for block in blocks(page):
        if block.language in SHELL:
            shell = block.text
            if block.language != "bash":
                lines = block.text.replace("\\\n", " ").splitlines()
                shell = "\n".join(line for line in lines if line.startswith("mle "))
            found += [(block.line, words) for words in typed(shell, "mle")]
    return found


def test_every_command_of_every_page_is_one() -> None:
    found = [(page, *command) for page in PAGES for command in commands(page)]
    assert len(found) > 100
    faults = [
        f"{page.relative_to(ROOT)}:{line}: mle {' '.join(words)}: {told}"
        for page, line, words in found
        if (told := fault(words))
    ]
    assert faults == []


def test_a_block_that_is_not_run_says_why() -> None:
    guides = [ROOT / "docs" / "tutorial.md", *ROOT.glob("docs/how-to/*.md")]
    for page in guides:
        for block in blocks(page):
            assert block.language, f"{page.name}:{block.line} says no language"
            assert block.is_run or block.language not in ("bash", "sh") or len(block.not_run) > 10


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ("mle status\n", [["status"]]),
        ("cd a && mle deploy . | cat; mle status > out\n", [["deploy", "."], ["status"]]),
        ("KEY=$(mle jobs -o tsv)\n", [["jobs", "-o", "tsv"]]),
        ('echo "it is $(mle use x)" # mle nothing\n', [["use", "x"]]),
        ("mle rest PUT a \\\n  '{\"b\":\n 1}'\n", [["rest", "PUT", "a", '{"b":\n 1}']]),
        ("cat > a <<'END'\nmle no\nEND\nA=1 mle up\n", [["up"]]),
        ("until mle status; do mle doctor; done\n", [["status"], ["doctor"]]),
    ],
)
def test_calls_are_found_in_a_piece_of_shell(script: str, calls: list[list[str]]) -> None:
    assert list(typed(script, "mle")) == calls


def test_what_a_page_shows_is_read_with_its_reasons(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: nobody is there -->\n\n```bash\none\n```\n\ntext\n\n```bash\ntwo\n```\n"
        '```yaml title="a/b.yml"\nx: 1\n```\n'
    )
    first, second, file = blocks(page)
    assert (first.line, first.not_run, first.is_run) == (4, "nobody is there", False)
    assert (second.text, second.is_run) == ("two\n", True)
    assert (file.title, file.text) == ("a/b.yml", "x: 1\n")
