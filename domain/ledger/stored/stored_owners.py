"""Who has something stored: each batch endpoint its inbox, each deployment its part of the versions
that it runs and what it collects, each job that has ended what it left."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from domain.assets.asset import CODES, MODELS, AssetKind
from domain.assets.asset_registration import AssetRegistration
from domain.assets.datastore import COLLECTED, DEFAULT, INBOX
from domain.batch import batch_deployment, batch_endpoint
from domain.batch.batch_deployment import BatchDeployment
from domain.batch.batch_endpoint import BatchEndpoint
from domain.errors import Invalid, NotFound
from domain.ground.resource import from_document
from domain.jobs.records import batch_job
from domain.ledger.counting.account import BATCH, ONLINE, Account, tags_of
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.ports import BlobFolder, ResourceStore, all_documents
from domain.usage.used_places import COLLECTIONS


@dataclass(frozen=True)
class StoredOwner:
    """`known` bytes of its own, and whatever lies in `places`, which `changes` from day to day or
    else hardly ever."""

    key: str
    account: Account
    known: int
    places: tuple[BlobFolder, ...]
    changes: bool


@dataclass(frozen=True)
class _Deployment:
    account: Account
    versions: tuple[tuple[AssetKind, str], ...]
    places: tuple[BlobFolder, ...]
    collects: bool


class StoredOwners:
    def __init__(self, store: ResourceStore, assets: AssetRegistration) -> None:
        self._store = store
        self._assets = assets

    async def all(self) -> AsyncIterator[StoredOwner]:
        """Each once. Raises what the store does."""
        online = await self._tags(online_endpoint.KIND, OnlineEndpoint)
        batch = await self._tags(batch_endpoint.KIND, BatchEndpoint)
        for name, tags in batch.values():
            account = Account(BATCH, name, tags=tags_of(tags))
            yield StoredOwner(f"inbox/{name}", account, 0, (BlobFolder(INBOX, name),), True)
        deployments = [
            *[each async for each in self._online_deployments(online)],
            *[each async for each in self._batch_deployments(batch)],
        ]
        users = Counter(version for each in deployments for version in each.versions)
        sizes = {version: await self._size(*version) for version in users}
        for found in deployments:
            account = found.account
            key = f"{account.collection}/{account.endpoint}/{account.deployment}"
            # A version that several deployments run is theirs in equal parts.
            known = sum(sizes[each] // users[each] for each in found.versions)
            yield StoredOwner(key, account, known, found.places, found.collects)
        async for owner in self._jobs(batch):
            yield owner

    async def _tags(
        self, kind: str, entity: type[OnlineEndpoint] | type[BatchEndpoint]
    ) -> dict[str, tuple[str, dict[str, str]]]:
        """Names and tags of endpoints, by their names in small letters."""
        found = {}
        async for document in all_documents(self._store, kind):
            endpoint = from_document(entity, document)
            found[endpoint.name.casefold()] = endpoint.name, dict(endpoint.tags)
        return found

    async def _online_deployments(
        self, endpoints: Mapping[str, tuple[str, dict[str, str]]]
    ) -> AsyncIterator[_Deployment]:
        async for document in all_documents(self._store, online_deployment.KIND):
            found = from_document(OnlineDeployment, document)
            asked = found.properties
            _, tags = endpoints.get(found.endpoint.casefold(), ("", {}))
            account = Account(ONLINE, found.endpoint, found.name, tags=tags_of(tags, found.tags))
            code = asked.code_configuration.code_id if asked.code_configuration else None
            collected = await self._collected(found)
            collects = asked.data_collector is not None and bool(asked.data_collector.enabled)
            versions = _versions(asked.model, code)
            yield _Deployment(account, versions, collected, collects)

    async def _batch_deployments(
        self, endpoints: Mapping[str, tuple[str, dict[str, str]]]
    ) -> AsyncIterator[_Deployment]:
        async for document in all_documents(self._store, batch_deployment.KIND):
            found = from_document(BatchDeployment, document)
            asked = found.properties
            _, tags = endpoints.get(found.endpoint.casefold(), ("", {}))
            account = Account(BATCH, found.endpoint, found.name, tags=tags_of(tags, found.tags))
            code = asked.code_configuration.code_id if asked.code_configuration else None
            model = asked.model.asset_id if asked.model else None
            yield _Deployment(account, _versions(model, code), (), False)

    async def _jobs(
        self, endpoints: Mapping[str, tuple[str, dict[str, str]]]
    ) -> AsyncIterator[StoredOwner]:
        """What one leaves that goes on is not there before its end."""
        async for document in all_documents(self._store, batch_job.KIND):
            job = batch_job.from_document(document)
            if job.ended_at is None:
                continue
            _, tags = endpoints.get(job.endpoint.casefold(), ("", {}))
            account = Account(
                BATCH, job.endpoint, job.deployment, job.name, tags=tags_of(tags, job.tags)
            )
            places = COLLECTIONS["jobs"].used(document).places
            yield StoredOwner(f"jobs/{job.name}", account, 0, places, False)

    async def _size(self, kind: AssetKind, reference: str) -> int:
        """As it was when it was registered; of what is not there any more, nothing."""
        read = self._assets.model if kind is MODELS else self._assets.code
        try:
            seal = (await read(reference)).seal
        except (Invalid, NotFound):
            return 0
        return seal.bytes if seal is not None else 0

    async def _collected(self, found: OnlineDeployment) -> tuple[BlobFolder, ...]:
        """Where its collections are, or were until they were switched off."""
        places = [BlobFolder(DEFAULT, f"{COLLECTED}/{found.endpoint}/{found.name}")]
        collector = found.properties.data_collector
        named = [each.data_id for each in collector.collections.values()] if collector else []
        for reference in filter(None, named):
            try:
                folder = (await self._assets.data(reference)).folder
            except (Invalid, NotFound):
                continue
            if folder is not None:
                places.append(folder)
        return tuple(dict.fromkeys(places))


def _versions(model: str | None, code: str | None) -> tuple[tuple[AssetKind, str], ...]:
    given = (MODELS, model), (CODES, code)
    return tuple((kind, reference) for kind, reference in given if reference)
