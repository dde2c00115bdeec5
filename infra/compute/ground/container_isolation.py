"""What keeps a script in a container from the host and from others: by what it is started with.
tests/e2e/doors/test_hostile_containers.py tries each on a real engine."""

import sys
from collections.abc import Sequence

from domain.ports import IsolationPart


def is_here(engine: str) -> bool:
    """Whether containers of the engine at this URL come to a host as who they are: not where they
    run in another machine, as all do beside macOS."""
    return engine.startswith("unix://") and sys.platform == "linux"


def parts(*, closed: bool, fault: str | None, is_here: bool) -> Sequence[IsolationPart]:
    """The same as those of local processes, in the same order. `closed`: its network leads
    nowhere. `fault`: why the machine's routes do not refuse what they should. `is_here`: the engine
    is on this machine, and its containers are told from other callers."""
    nowhere = "its network leads nowhere"
    routes = "the routes of the engine's machine" if fault is None else fault
    control = (
        "a host answers no container of its machine"
        if is_here
        else "it may reach it where the host listens beyond loopback, with a credential"
    )
    told = (
        ("privileges", True, "no capabilities, and none to gain"),
        ("files", True, "a file system of its own, which is read only"),
        ("processes", True, "a namespace of processes"),
        ("user", True, "one without rights, in a container of its own"),
        ("local sockets", True, "namespaces of files and of the network"),
        ("lifetime", True, "it ends with its container"),
        ("memory", True, "a control group"),
        ("number of processes", True, "a control group"),
        ("cloud metadata", closed or fault is None, nowhere if closed else routes),
        ("control plane", is_here, control),
    )
    return tuple(IsolationPart(part, held, detail) for part, held, detail in told)
