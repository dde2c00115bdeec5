"""Models, code, environments and data, and who uses them."""

from domain.assets.activities import AssetActivities
from domain.assets.asset_references import AssetSources
from domain.assets.asset_registration import AssetRegistration
from domain.assets.asset_use import AssetUse
from domain.assets.datastore import Datastores
from domain.assets.packages.connections import Connections
from domain.batch.batch_deployment import KIND as BATCH_DEPLOYMENT
from domain.online.online_deployment import KIND as ONLINE_DEPLOYMENT
from infra.composition.ground import Ground


def asset_use(ground: Ground) -> AssetUse:
    """Which deployments, of either kind, use an asset or a compute."""
    kinds = (ONLINE_DEPLOYMENT, BATCH_DEPLOYMENT)
    return AssetUse(ground.adapters.store, ground.scope, kinds)


def compose_assets(ground: Ground, *, use: AssetUse) -> AssetActivities:
    a = ground.adapters
    registration = AssetRegistration(
        a.store, a.blobs, a.capabilities, a.clock, ground.scope, in_use=use.of
    )
    return AssetActivities(
        registration=registration,
        sources=AssetSources(registration, a.blobs, a.capabilities, ground.scope),
        datastores=Datastores(a.blobs),
        connections=Connections(a.store, a.cipher, a.clock, ground.location),
    )
