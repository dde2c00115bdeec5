"""The commands of `mle`, from its own parsers."""

import argparse

from cli.main import GROUPS, SHORT, command_module
from cli.verbs import GLOBAL, Flag, Verb
from scripts.docs_site.markdown import cell, code, table

_COLUMNS = ("flag", "values", "meaning")


def daily_page() -> str:
    """Every short command."""
    lines = [
        "# Commands of every day",
        "",
        "Made of the parsers of `mle`. What each is for, and how they belong together: "
        "[the command line](../command-line.md).",
        "",
    ]
    for name in SHORT:
        lines += _verb(f"mle {name}", command_module(name).VERBS[name], "##")
    lines += ["## Everywhere", "", "These flags belong to every command.", ""]
    lines += _flags(GLOBAL)
    return "\n".join(lines)


def resource_page() -> str:
    """Every verb of every kind of resource."""
    lines = [
        "# Commands by resource",
        "",
        "Made of the parsers of `mle`: the verbs and flags of `az ml`. Flags that belong to every "
        "command stand with [those of every day](commands.md#everywhere).",
        "",
    ]
    for name, (_, what) in GROUPS.items():
        lines += [f"## mle {name}", "", f"{what[0].upper()}{what[1:]}.", ""]
        for verb, each in command_module(name).GROUP.verbs.items():
            lines += _verb(f"mle {name} {verb}", each, "###")
    return "\n".join(lines)


def _verb(prog: str, verb: Verb, level: str) -> list[str]:
    operands = [_operand(each) for each in verb.flags if _is_operand(each)]
    usage = " ".join([prog, *operands, "[flags]" if len(operands) < len(verb.flags) else ""])
    lines = [f"{level} {prog}", "", verb.help, "", f"```text\n{usage.strip()}\n```", ""]
    if verb.epilog:
        lines += [f"```text\n{verb.epilog}\n```", ""]
    return lines + _flags(verb.flags)


def _flags(flags: tuple[Flag, ...]) -> list[str]:
    shown = [each for each in flags if each.options.get("help") is not argparse.SUPPRESS]
    return table(_COLUMNS, [(_names(each), _values(each), _meaning(each)) for each in shown])


def _names(flag: Flag) -> str:
    if _is_operand(flag):
        return code(_operand(flag).strip("[]."))
    return ", ".join(code(name) for name in flag.names)


def _values(flag: Flag) -> str:
    options = flag.options
    if "choices" in options:
        return ", ".join(code(str(each)) for each in options["choices"])
    if _is_operand(flag) or str(options.get("action", "")).startswith("store_"):
        return ""
    value = options.get("metavar") or flag.names[-1].lstrip("-").replace("-", "_").upper()
    several = options.get("nargs") in ("+", "*")
    return code(f"{value} …" if several else str(value))


def _meaning(flag: Flag) -> str:
    said = [cell(flag.options.get("help") or "")]
    if flag.options.get("required"):
        said.append("**needed**")
    default = flag.options.get("default")
    if default not in (None, [], argparse.SUPPRESS, "", False) and "(" not in said[0]:
        said.append(f"({default} unless said)")
    return " ".join(each for each in said if each)


def _is_operand(flag: Flag) -> bool:
    return not flag.names[0].startswith("-")


def _operand(flag: Flag) -> str:
    name = str(flag.options.get("metavar") or flag.names[0].upper())
    match flag.options.get("nargs"):
        case "?":
            return f"[{name}]"
        case "*":
            return f"[{name} …]"
        case "+":
            return f"{name} …"
        case _:
            return name
