"""Package sources for computes of tests that are not about them."""

from domain.ports import NO_INDEXES, Credentials, IndexCredentials
from infra.compute.package_sources import PackageSources, PythonChoice
from infra.web.outbound import OutboundAddresses


class NoCredentials(IndexCredentials):
    async def of(self, url: str) -> Credentials | None:
        return None


NOWHERE = OutboundAddresses(())

PRESENT = PythonChoice("exact", downloads=False)
"""Pythons of this machine alone."""

USUAL_PACKAGES = PackageSources(
    NO_INDEXES, {}, "first-index", NoCredentials(), NOWHERE, (), PRESENT
)
"""Those that this machine has."""
