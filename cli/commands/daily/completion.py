"""`mle completion`: a script that completes commands and flags in a shell."""

import argparse
import sys
from typing import Any

from cli.failures import UsageFailed
from cli.main import GROUPS, SHORT, command_module
from cli.verbs import GLOBAL, Session, Verb, flag

_BASH = """_mle() {
  local typed="${COMP_WORDS[*]:1:COMP_CWORD-1}" last="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "$(mle completion --words -- $typed 2>/dev/null)" -- "$last"))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$last"))
}
complete -F _mle mle mlectl
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
_FISH = """function __mle
  mle completion --words -- (commandline -opc)[2..] 2>/dev/null | string split " "
end
complete -c mle -a "(__mle)"
"""


def completion(flags: argparse.Namespace, session: Session) -> Any:
    """The script of a shell; with `--words` what may follow."""
    if flags.words:
        sys.stdout.write(" ".join(words(flags.typed)) + "\n")
        return None
    scripts = {"bash": _BASH, "zsh": _ZSH + _BASH, "fish": _FISH}
    shell = flags.typed[0] if flags.typed else "bash"
    if shell not in scripts:
        raise UsageFailed(f"{shell!r}: one of {', '.join(scripts)}.")
    sys.stdout.write(scripts[shell])
    return None


def words(typed: list[str]) -> list[str]:
    """What may follow what was typed: commands, verbs, or flags."""
    if not typed:
        return [*SHORT, *GROUPS, "--help", "--version"]
    name = typed[0]
    if name in SHORT:
        return _flags(command_module(name).VERBS[name])
    if name not in GROUPS:
        return []
    group = command_module(name).GROUP
    if len(typed) == 1:
        return [*group.verbs, "--help"]
    verb = group.verbs.get(typed[1])
    return _flags(verb) if verb else []


def _flags(verb: Verb) -> list[str]:
    found = []
    for each in (*verb.flags, *GLOBAL):
        if each.options.get("help") != argparse.SUPPRESS:
            found += [name for name in each.names if name.startswith("--")]
    return [*found, "--help"]


VERBS = {
    "completion": Verb(
        completion,
        'Completion for a shell: eval "$(mle completion bash)".',
        (
            flag("--words", action="store_true", help=argparse.SUPPRESS),
            flag("typed", nargs="*", metavar="SHELL", help="bash, zsh or fish"),
        ),
    )
}
