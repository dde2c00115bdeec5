"""Stores that grow with what is kept."""

from domain.ports import StorageRoom


class AmpleRoom(StorageRoom):
    """An account's. Where it has a limit after all, the store itself says so."""

    async def check(self) -> None:
        return
