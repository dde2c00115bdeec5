"""Resources that are one document each, under their names."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from domain.ground.named_resources import NamedResources
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Conditions, TrackedResource
from domain.names import endpoint_name_fault
from domain.ports import ResourceStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from tests.kit.stages.scoring_stage import NOW

ANY = Conditions()


class Lamp(TrackedResource):
    lit: bool = False


def lamp(name: str, *, lit: bool = False) -> Lamp:
    return Lamp(
        name=name,
        location="here",
        provisioning_state=ProvisioningState.SUCCEEDED,
        created_at=NOW,
        created_by="a test",
        modified_at=NOW,
        modified_by="a test",
        lit=lit,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteResourceStore]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    yield store
    await store.close()


@pytest.fixture
def lamps(store: ResourceStore) -> NamedResources[Lamp]:
    return NamedResources(
        store,
        Lamp,
        kind="lamp",
        partition="lamps",
        noun="Lamp",
        name_fault=endpoint_name_fault,
    )


async def test_what_was_saved_is_there_whatever_the_case_of_its_name(
    lamps: NamedResources[Lamp],
) -> None:
    saved = await lamps.save(lamp("Desk"), None)
    assert await lamps.get("dESK") == saved


@pytest.mark.parametrize("name", ["desk", "", "x" * 300, "a/b", "a#b", ".."])
async def test_what_is_not_there_is_not_found_and_not_deleted(
    lamps: NamedResources[Lamp], name: str
) -> None:
    with pytest.raises(NotFound, match="Lamp '"):
        await lamps.get(name)
    assert await lamps.delete(name, ANY) is None


async def test_they_are_listed_by_name_in_pages(lamps: NamedResources[Lamp]) -> None:
    for name in ("hall", "desk", "bed"):
        await lamps.save(lamp(name), None)
    first, more = await lamps.list(2, None)
    rest, end = await lamps.list(2, more)
    assert [each.resource.name for each in (*first, *rest)] == ["bed", "desk", "hall"]
    assert end is None


async def test_no_more_than_allowed_are_admitted_but_those_there_may_change(
    lamps: NamedResources[Lamp],
) -> None:
    for name in ("desk", "hall"):
        assert await lamps.admit(name, ANY, 2) is None
        await lamps.save(lamp(name), None)
    with pytest.raises(Conflict) as refused:
        await lamps.admit("bed", ANY, 2)
    assert refused.value.code == "QuotaExceeded"
    document = await lamps.admit("desk", ANY, 2)
    assert (await lamps.save(lamp("desk", lit=True), document)).resource.lit


@pytest.mark.parametrize("name", ["", "a/b", "x" * 300, "1st"])
async def test_what_is_no_name_is_not_admitted(lamps: NamedResources[Lamp], name: str) -> None:
    with pytest.raises(Invalid) as refused:
        await lamps.admit(name, ANY, 2)
    assert [each.target for each in refused.value.details] == ["name"]


async def test_conditions_hold_for_changes_and_deletions(lamps: NamedResources[Lamp]) -> None:
    saved = await lamps.save(lamp("desk"), None)
    for conditions in (Conditions(if_match="another"), Conditions(must_be_new=True)):
        with pytest.raises(PreconditionFailed):
            await lamps.admit("desk", conditions, 2)
    with pytest.raises(PreconditionFailed):
        await lamps.delete("desk", Conditions(if_match="another"))
    gone = await lamps.delete("Desk", Conditions(if_match=saved.etag))
    assert gone == lamp("desk")
    assert await lamps.delete("desk", ANY) is None


async def test_of_two_changes_at_one_moment_the_second_is_refused(
    lamps: NamedResources[Lamp],
) -> None:
    await lamps.save(lamp("desk"), None)
    with pytest.raises(Conflict, match="Try again"):
        await lamps.save(lamp("desk"), None)
    seen = await lamps.find("desk")
    await lamps.save(lamp("desk", lit=True), seen)
    with pytest.raises(Conflict, match="Try again"):
        await lamps.save(lamp("desk"), seen)
    assert (await lamps.get("desk")).resource.lit
