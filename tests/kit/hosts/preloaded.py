"""`python -m tests.kit.hosts.preloaded FD`: forks hosts, as whoever holds the other end of the
socket FD asks, and ends with it.

What every host would import is here already, and nothing is run of it: no host is like another
for what they share, but each is there in a tenth of the time.
"""

import gc
import json
import os
import runpy
import socket
import sys
from typing import Any

_MOST = 2**20
"""Bytes of a request."""


def main(descriptor: int) -> None:
    """Returns in a forked process alone, when what it was forked for has been run."""
    with socket.socket(fileno=descriptor) as asked:
        while True:
            message, lent, *_ = socket.recv_fds(asked, _MOST, 1)
            if not message:
                sys.exit(0)
            request = json.loads(message)
            if "status_of" in request:
                answer = _ended(request["status_of"])
            else:
                answer = os.fork()
                if answer == 0:
                    break
                os.close(lent[0])
            asked.send(json.dumps(answer).encode())
    _become(lent[0], **request)


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(
    output: int, *, module: str, arguments: list[str], cwd: str, environment: dict[str, str]
) -> None:
    """What `python -m module arguments` would be."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(cwd)
    sys.path[0] = cwd
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _preload() -> Any:
    """Of the app what it is made of, and not the app: it is composed when it is imported."""
    gc.disable()
    import handlers
    import infra.composition
    import infra.embedded.command
    import infra.embedded.host.host

    gc.freeze()
    return handlers, infra


if __name__ == "__main__":
    _preload()
    main(int(sys.argv[1]))
