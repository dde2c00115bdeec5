"""Package sources for computes of tests that are not about them."""

from domain.ports import NO_INDEXES, Credentials, IndexCredentials
from infra.compute.package_sources import PackageSources
from infra.web.outbound import OutboundAddresses


class NoCredentials(IndexCredentials):
    async def of(self, url: str) -> Credentials | None:
        return None


USUAL_PACKAGES = PackageSources(
    NO_INDEXES, {}, "first-index", NoCredentials(), OutboundAddresses(()), ()
)
"""Those that this machine has."""
