"""Who pays: what a line of the ledger is about."""

from typing import NamedTuple

ONLINE = "onlineEndpoints"
BATCH = "batchEndpoints"

Tags = tuple[tuple[str, str], ...]


class Account(NamedTuple):
    """A deployment, or a job of one, as it was when it ran: on `instance_type`, of which `workers`
    share one instance, with its endpoint's tags and its own. Names are '' where they are not
    known any more."""

    collection: str
    endpoint: str
    deployment: str = ""
    job: str = ""
    instance_type: str = ""
    workers: int = 1
    tags: Tags = ()

    @property
    def subject(self) -> str:
        """The endpoint's path below the workspace; '' where it is not known."""
        return f"{self.collection}/{self.endpoint}" if self.endpoint else ""


def tags_of(*given: dict[str, str]) -> Tags:
    """In order, where later ones say more than those before."""
    return tuple(sorted({name: value for each in given for name, value in each.items()}.items()))
