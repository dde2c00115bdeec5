"""`python -m supply_chain.audit [--required]`: looks the packages of uv.lock up in a public
database of vulnerabilities; 1 where one is known. Where the database cannot be reached, it says
so and is content, unless it is required."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from supply_chain.components import ROOT

_UV = os.path.join(os.path.dirname(sys.executable), "uv")
_FOUND = 1
_LIMIT = 60.0
_PATIENCE = {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "15"}
_OUT_OF_REACH = ("error sending request", "Request failed", "HTTP status", "timed out")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m supply_chain.audit")
    parser.add_argument("--required", action="store_true", help="fail where nothing can be asked")
    parser.add_argument("--database", help="the address of one with the API of OSV")
    options = parser.parse_args(arguments)
    command = [_UV, "audit", "--frozen", "--no-default-groups"]
    command += ["--preview-features", "audit-command"]
    command += ["--service-url", options.database] if options.database else []
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **_PATIENCE},
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _not_asked(required=options.required)
    if done.returncode > _FOUND and any(text in done.stderr for text in _OUT_OF_REACH):
        return _not_asked(required=options.required)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _not_asked(*, required: bool) -> int:
    sys.stderr.write(
        "The database of vulnerabilities cannot be reached from here: nothing was audited.\n"
    )
    return 1 if required else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
