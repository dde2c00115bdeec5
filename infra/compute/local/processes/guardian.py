"""Kills what a dead host leaves behind. Run as a script of its own, by one host.

`+PGID` and `-PGID` lines on stdin name process groups; at end of file, which the host's death
brings about however it dies, every group still named is killed. It needs nothing but the
standard library and stays out of the host's terminal signals.
"""

import contextlib
import os
import signal
import sys


def main() -> int:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    rest = b""
    while piece := os.read(0, 65536):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            sign, number = line[:1], line[1:]
            if not number.isdigit():
                continue
            if sign == b"+":
                groups.add(int(number))
            else:
                groups.discard(int(number))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
