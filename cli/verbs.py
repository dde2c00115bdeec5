"""A verb of the command line: its flags as data, so that only the one asked for is built."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from cli.failures import UsageFailed
from cli.host.arm import Arm
from cli.host.contexts import Context, chosen


class Session:
    """What a verb works with: the flags all verbs have, and the host, found at first use."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self.flags = flags
        self._arm: Arm | None = None

    @property
    def context(self) -> Context:
        return self.arm.context

    @property
    def arm(self) -> Arm:
        """The host's control plane. Raises SignInNeeded when no host is known."""
        if self._arm is None:
            self._arm = Arm(chosen(self.flags.context))
        return self._arm

    def replace(self, arm: Arm) -> None:
        """Speak to this host from here on."""
        self.close()
        self._arm = arm

    def close(self) -> None:
        """Close what was opened."""
        if self._arm is not None:
            self._arm.close()


class Flag(NamedTuple):
    """One flag or operand, as argparse's `add_argument` has it."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


def flag(*names: str, **options: Any) -> Flag:
    """A flag; `options` are argparse's."""
    return Flag(names, options)


class Verb(NamedTuple):
    """What is done when it is asked for; the answer goes to stdout in the form asked for."""

    run: Callable[[argparse.Namespace, Session], Any]
    help: str
    flags: tuple[Flag, ...] = ()
    columns: tuple[str, ...] = ()
    """What a table of its answer shows."""
    epilog: str = ""
    form: str = "json"
    """The output's form unless `-o` says another."""


class Group(NamedTuple):
    """Verbs about one kind of resource."""

    help: str
    verbs: Mapping[str, Verb]
    elsewhere: Mapping[str, str] = {}
    """Verbs that Azure's command line has and this has not: what stands for each here."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong as all else that is wrong is said."""

    def error(self, message: str) -> NoReturn:
        raise UsageFailed(message, hint=f"`{self.prog} --help` has every flag.")


GLOBAL = (
    flag("--context", metavar="NAME", help="the installation, as `mle use` knows it"),
    flag(
        "-o", "--output", metavar="FORM", help="json, jsonc, yaml, yamlc, table, tsv, csv or none"
    ),
    flag("--query", metavar="JMESPATH", help="a part of the answer"),
    flag("--only-show-errors", action="store_true", help="say errors alone"),
    flag("--verbose", action="store_true", help=argparse.SUPPRESS),
    flag("--debug", action="store_true", help="tracebacks of what the command itself does wrong"),
    flag("-g", "--resource-group", help=argparse.SUPPRESS),
    flag("-w", "--workspace-name", help=argparse.SUPPRESS),
    flag("--subscription", help=argparse.SUPPRESS),
)


def parse(prog: str, verb: Verb, argv: list[str]) -> argparse.Namespace:
    """The flags that were typed. Raises UsageFailed; exits after `--help`."""
    parser = Parser(
        prog=prog,
        description=verb.help,
        epilog=verb.epilog or None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    for each in verb.flags:
        parser.add_argument(*each.names, **each.options)
    common = parser.add_argument_group("everywhere")
    common.add_argument("-h", "--help", action="help", help="this text")
    for each in GLOBAL:
        common.add_argument(*each.names, **each.options)
    return parser.parse_args(argv)
