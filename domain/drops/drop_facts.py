"""What is told of a drop."""

from domain.ground.facts import EventType, Fact


def drop_sealed(endpoint: str, drop: str, files: int) -> list[Fact]:
    """A drop is complete; its job comes next, unless it has no file to score."""
    data = {"endpoint": endpoint, "drop": drop, "files": files}
    return [Fact(type=EventType.DROP_SEALED, subject=f"batchEndpoints/{endpoint}", data=data)]
