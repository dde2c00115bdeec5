"""Says what python-qpid-proton, which the Service Bus tests need and which comes as source,
cannot be built without. Run by `make test` before it is installed."""

import importlib.util
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path


def missing() -> list[str]:
    found = []
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    if not any(shutil.which(name) for name in (compiler, "cc", "gcc", "clang")):
        found.append("a C compiler (Debian and Ubuntu: apt-get install gcc)")
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    if not headers.exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        found.append(f"Python's headers (Debian and Ubuntu: apt-get install python{version}-dev)")
    return found


def main() -> int:
    if importlib.util.find_spec("proton") is not None:
        return 0
    reasons = missing()
    if reasons:
        sys.stderr.write(
            "The tests build python-qpid-proton, a client and server of AMQP 1.0, from source."
            " Missing on this machine:\n" + "".join(f"  - {reason}\n" for reason in reasons)
        )
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
