"""What keeps a script in an app from others, and what does not: the platform gives no more."""

from collections.abc import Sequence
from typing import Final

from domain.ports import IsolationPart

NOT_CLOSED: Final = (
    "Container Apps has no rule that keeps one app from the network: rules are those of the subnet "
    "that all apps share. Close that for all of them (docs/azure.md, Private networks), run the "
    "deployment on Docker or Kubernetes, or give egressPublicNetworkAccess Enabled."
)


def parts() -> Sequence[IsolationPart]:
    """The same as those of containers, in the same order."""
    told = (
        ("privileges", True, "no privileged containers, and a user without rights"),
        (
            "files",
            False,
            "a file system of its own, which its user may write to where modes let it",
        ),
        ("processes", True, "a namespace of processes"),
        ("user", True, "one without rights, in a container of its own"),
        ("local sockets", True, "namespaces of files and of the network"),
        ("lifetime", True, "it ends with its container"),
        ("memory", True, "a control group"),
        ("number of processes", False, "the platform's own limit, which is not known"),
        ("cloud metadata", False, "the platform's door for the tokens of its own identities"),
        ("control plane", False, "it may reach it where its network leads, with a credential"),
    )
    return tuple(IsolationPart(part, held, detail) for part, held, detail in told)
