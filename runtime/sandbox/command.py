"""`sandbox FD` runs the command of the plan that can be read from that descriptor; `sandbox` alone
says which version of Landlock's interface there is."""

from __future__ import annotations

import os
import sys

from . import confining, landlock
from .plan import parse


def main(argv: list[str]) -> int:
    if not argv:
        sys.stdout.write(f"{landlock.version()}\n")
        return 0
    with os.fdopen(int(argv[0]), "rb") as file:
        text = file.read()
    confining.run(parse(text))
