"""What keeps a script in a container from the host and from others: by what it is started with.
tests/e2e/doors/test_hostile_containers.py tries each on a real engine."""

from collections.abc import Sequence

from domain.ports import IsolationPart


def parts(*, closed: bool) -> Sequence[IsolationPart]:
    """The same as those of local processes, in the same order. `closed`: its network leads
    nowhere."""
    nowhere = "its network leads nowhere"
    told = (
        ("privileges", True, "no capabilities, and none to gain"),
        ("files", True, "a file system of its own, which is read only"),
        ("processes", True, "a namespace of processes"),
        ("user", True, "one without rights, in a container of its own"),
        ("local sockets", True, "namespaces of files and of the network"),
        ("lifetime", True, "it ends with its container"),
        ("memory", True, "a control group"),
        ("number of processes", True, "a control group"),
        ("cloud metadata", closed, nowhere if closed else "it may reach it where its machine may"),
        (
            "control plane",
            False,
            "it may reach it where the host listens beyond loopback, with a credential",
        ),
    )
    return tuple(IsolationPart(part, held, detail) for part, held, detail in told)
