"""The commands and files that pages show, as tests take them.

A block of `bash` is run, in the order of the page, unless a comment right above it says why not:
`<!-- not run: it needs a Docker Engine -->`. A block with a `title` is a file of that name.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^ {0,3}(```+)([\w+-]*)(.*)$")
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
_TITLE = re.compile(r'title="([^"]+)"')
_NESTED = re.compile(r"\$\(([^()]*)\)")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_SEPARATORS = {"&&", "||", "|", ";", "&", "(", ")", ";;"}
_REDIRECTIONS = re.compile(r"[<>]+&?|>&\d?")


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is its first; `not_run` is the reason, where there is one."""

    line: int
    language: str
    text: str
    title: str = ""
    not_run: str = ""

    @property
    def is_run(self) -> bool:
        return self.language == "bash" and not self.not_run


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    opened: tuple[int, str, str, str] | None = None
    body: list[str] = []
    reason = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                title = _TITLE.search(fence[3])
                opened = (number + 1, fence[1], fence[2], title[1] if title else "")
                body = []
            elif said := _NOT_RUN.search(line):
                reason = said[1]
            elif line.strip():
                reason = ""
        elif fence and fence[1].startswith(opened[1]) and not fence[2]:
            yield Block(opened[0], opened[2], "\n".join(body) + "\n", opened[3], reason)
            opened, reason = None, ""
        else:
            body.append(line)


def typed(script: str, command: str) -> Iterator[list[str]]:
    """The words of every call of `command` in a piece of shell; what is put in by the shell
    stands as it is written."""
    for line in _lines(script):
        yield from _calls(line, command)


def _calls(line: str, command: str) -> Iterator[list[str]]:
    for nested in _NESTED.finditer(line):
        yield from _calls(nested[1], command)
    plain = _NESTED.sub("SUBSTITUTED", line)
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=True)
    lexer.commenters = "#"
    lexer.wordchars += ",:@{}[]!%^+$…"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in _SEPARATORS:
            yield from _call(words, command)
            words = []
        else:
            words.append(word)


def _call(words: list[str], command: str) -> Iterator[list[str]]:
    while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in ("do", "then", "until")):
        words = words[1:]
    if words[:1] != [command] or words[1:2] == ["()"]:
        return
    found: list[str] = []
    for word in words[1:]:
        if _REDIRECTIONS.fullmatch(word):
            break
        found.append(word)
    yield found


def _lines(script: str) -> Iterator[str]:
    """Logical lines, without what is fed to commands."""
    ends, whole = "", ""
    for line in script.splitlines():
        if ends:
            if line.strip() == ends:
                ends = ""
            continue
        whole += line
        if whole.endswith("\\"):
            whole = whole[:-1] + " "
            continue
        if re.sub(r" #.*", "", whole).count("'") % 2:
            whole += "\n"
            continue
        heredoc = _HEREDOC.search(whole)
        if heredoc:
            ends = heredoc[1]
        yield whole
        whole = ""
    if whole:
        yield whole
