"""One client of each service for the process."""

from collections.abc import AsyncIterator

import pytest

from infra.cloud.services import CloudServices
from infra.settings import Settings
from tests.infra.settings.test_settings import AZURE


@pytest.fixture
async def services() -> AsyncIterator[CloudServices]:
    services = CloudServices.open(Settings.read(AZURE))
    yield services
    await services.close()


async def test_everyone_in_the_process_has_the_same_ones(services: CloudServices) -> None:
    assert CloudServices.open(Settings.read(AZURE)) is services


async def test_other_settings_find_them_taken_until_they_are_closed(
    services: CloudServices,
) -> None:
    other = Settings.read({**AZURE, "ML_ENDPOINTS_COSMOS_DATABASE": "another"})
    with pytest.raises(ValueError, match="under other settings"):
        CloudServices.open(other)
    await services.close()
    again = CloudServices.open(other)
    assert again is not services
    await again.close()


async def test_they_are_closed_in_order_and_one_that_fails_does_not_keep_the_others_open(
    services: CloudServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def noting(name: str) -> None:
        async def close() -> None:
            closed.append(name)
            if name == "queue":
                raise RuntimeError("it cannot be closed")

        monkeypatch.setattr(getattr(services, name), "close", close)

    for name in ("store", "blobs", "queue", "consumer", "bus", "credential"):
        noting(name)
    with pytest.raises(RuntimeError):
        await services.close()
    assert closed == ["consumer", "queue", "bus", "store", "blobs", "credential"]
    monkeypatch.undo()
    again = CloudServices.open(Settings.read(AZURE))
    assert again is not services
    await again.close()
