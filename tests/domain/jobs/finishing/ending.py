"""What must end, though its like might go on for hours."""

import subprocess
import sys
from collections.abc import Callable

from tests.kit.real_app import ROOT
from tests.kit.waiting import PATIENCE


def ends(work: Callable[[], object]) -> None:
    """Do `work`, a function of a module, in a process of its own: a regular expression that
    backtracks for ever can be stopped in no other way. It has so much to do that in time that
    grows with the square of it, it would take hours."""
    code = f"from {work.__module__} import {work.__name__}; {work.__name__}()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=PATIENCE, check=True)
