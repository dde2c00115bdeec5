"""The scripts `mle` and `mlectl`."""

import sys
from pathlib import Path


def main() -> int:
    """Run a command; its exit code."""
    sys.path.insert(0, str(Path(__file__).parent / "_app"))
    from cli.main import main as run

    return run(sys.argv[1:])
