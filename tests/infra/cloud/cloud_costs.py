"""Counts what the cloud adapters ask of Azure: operations, partitions, sizes.

costs = CloudCosts()
store = CosmosResourceStore(..., client_options={"transport": costs.cosmos()})
with costs.counting() as counted: ...
counted.by_name  ->  {"cosmos read item": 1, ...}
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline.transport import AioHttpTransport, HttpRequest

_COSMOS_PARTITION = "x-ms-documentdb-partitionkey"


@dataclass(frozen=True)
class Operation:
    """One request. `partition` is Cosmos DB's key; None there for a query that crosses
    partitions. `sizes` are those of the documents written, or of the whole body, in bytes;
    `writes` what a batch does, as "Create"."""

    name: str
    status: int
    partition: str | None = None
    sizes: tuple[int, ...] = ()
    answered: int = 0
    writes: tuple[str, ...] = ()


@dataclass
class Counted:
    operations: list[Operation] = field(default_factory=list)

    @property
    def by_name(self) -> dict[str, int]:
        return dict(Counter(operation.name for operation in self.operations))

    @property
    def partitions(self) -> set[str]:
        return {o.partition for o in self.operations if o.partition is not None}

    @property
    def largest_document(self) -> int:
        return max(
            (max(o.sizes) for o in self.operations if o.sizes and "cosmos" in o.name), default=0
        )


class CloudCosts:
    """One for any number of clients."""

    def __init__(self) -> None:
        self._counted: list[Counted] = []

    def cosmos(self, **options: Any) -> Any:
        """A transport for one client of Cosmos DB, which closes it; `options` are azure-core's."""
        return _CountingTransport(self, _cosmos, options)

    def blob(self, **options: Any) -> Any:
        """A transport for one client of a storage account, which closes it."""
        return _CountingTransport(self, _blob, options)

    @contextmanager
    def counting(self) -> Iterator[Counted]:
        """What is asked meanwhile, by whichever client."""
        counted = Counted()
        self._counted.append(counted)
        try:
            yield counted
        finally:
            self._counted.remove(counted)

    def add(self, operation: Operation) -> None:
        for counted in self._counted:
            counted.operations.append(operation)


Described = tuple[str, str | None, tuple[int, ...], tuple[str, ...]]


class _CountingTransport(AioHttpTransport):  # type: ignore[misc]
    def __init__(
        self,
        costs: CloudCosts,
        describe: Callable[[HttpRequest], Described],
        options: dict[str, Any],
    ) -> None:
        super().__init__(**options)
        self._costs = costs
        self._describe = describe

    async def send(self, request: HttpRequest, **config: Any) -> Any:
        response = await super().send(request, **config)
        answered = int(response.headers.get("Content-Length") or 0)
        name, partition, sizes, writes = self._describe(request)
        self._costs.add(Operation(name, response.status_code, partition, sizes, answered, writes))
        return response


def _cosmos(request: HttpRequest) -> Described:
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    path = urlsplit(request.url).path.strip("/").split("/")
    keys = json.loads(headers.get(_COSMOS_PARTITION, "[]"))
    partition = keys[0] if keys and isinstance(keys[0], str) else None
    if headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":
        return "cosmos query plan", partition, (), ()
    if "x-ms-cosmos-is-batch-request" in headers:
        content: Any = request.body
        writes = json.loads(content)
        bodies = [write["resourceBody"] for write in writes if "resourceBody" in write]
        sizes = tuple(len(json.dumps(body, ensure_ascii=False).encode()) for body in bodies)
        return "cosmos batch", partition, sizes, tuple(w["operationType"] for w in writes)
    if "docs" in path:
        if request.method == "GET":
            return "cosmos read item", partition, (), ()
        return "cosmos query", partition, (), ()
    return f"cosmos {request.method} {path[-2] if len(path) > 1 else 'account'}", None, (), ()


_BLOB_NAMES = {
    ("PUT", "block", None): "put block",
    ("PUT", "blocklist", None): "put block list",
    ("PUT", None, None): "put blob",
    ("PUT", None, "container"): "create container",
    ("GET", None, None): "get blob",
    ("GET", "list", "container"): "list blobs",
    ("HEAD", None, None): "get blob properties",
    ("DELETE", None, None): "delete blob",
    ("POST", "userdelegationkey", "service"): "get user delegation key",
}


def _blob(request: HttpRequest) -> Described:
    query = parse_qs(urlsplit(request.url).query)
    comp, restype = (query.get(key, [None])[0] for key in ("comp", "restype"))
    name = _BLOB_NAMES.get((request.method, comp, restype), f"{request.method} {comp} {restype}")
    length = int(request.headers.get("Content-Length") or 0)
    return f"blob {name}", None, (length,) if length else (), ()
