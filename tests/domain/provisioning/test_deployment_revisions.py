"""How much of a deployment's history is kept."""

from datetime import UTC, datetime

from domain.provisioning.deployment_revisions import MOST, DeploymentHistory, DeploymentRevision

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def revision(number: int, size: int = 1) -> DeploymentRevision:
    return DeploymentRevision(number=number, since=NOW, by="a", asked={"description": "x" * size})


def kept(*revisions: DeploymentRevision) -> list[int]:
    history = DeploymentHistory(made_at=NOW, revisions=())
    for each in revisions:
        history = history.with_next(each)
    return [each.number for each in history.revisions]


def test_of_large_ones_there_are_fewer_but_the_newest_is_always_there() -> None:
    assert kept(*map(revision, range(MOST + 5))) == list(range(MOST + 4, 4, -1))
    assert kept(revision(1), revision(2, 100_000), revision(3, 100_000)) == [3]
    assert kept(revision(1), revision(2, 1_000_000)) == [2]
    assert kept(revision(1, 1_000_000), revision(2), revision(3)) == [3, 2]
