"""What keeps a script in a pod from the host and from others: by what it is started with."""

from collections.abc import Sequence

from domain.ports import IsolationPart


def parts() -> Sequence[IsolationPart]:
    """The same as those of local processes, in the same order."""
    told = (
        ("privileges", True, "no capabilities, and none to gain"),
        ("files", True, "a file system of its own, which is read only"),
        ("processes", True, "a namespace of processes"),
        ("user", True, "one without rights, in a container of its own"),
        ("local sockets", True, "namespaces of files and of the network"),
        ("lifetime", True, "it ends with its pod"),
        ("memory", True, "a control group"),
        ("number of processes", False, "as the cluster's machines limit it for each pod"),
        ("cloud metadata", True, "a network policy, where the cluster's network holds those"),
        ("control plane", False, "it may reach hosts, with a credential"),
    )
    return tuple(IsolationPart(part, held, detail) for part, held, detail in told)
