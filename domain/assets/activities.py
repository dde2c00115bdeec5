"""What is done with assets, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.assets.asset_references import AssetSources
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import Datastores
from domain.assets.packages.connections import Connections


@dataclass(frozen=True)
class AssetActivities:
    registration: AssetRegistration
    sources: AssetSources
    datastores: Datastores
    connections: Connections
