"""What is done with assets, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.assets.asset_references import AssetSources
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import Datastores
from domain.assets.packages.connections import Connections
from domain.assets.releasing.asset_release import KIND
from domain.assets.releasing.asset_releasing import AssetReleasing
from domain.ground.driving.sweeping import Resume


@dataclass(frozen=True)
class AssetActivities:
    registration: AssetRegistration
    releasing: AssetReleasing
    sources: AssetSources
    datastores: Datastores
    connections: Connections

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {KIND: self.releasing.resume}
