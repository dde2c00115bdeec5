"""All that a host says of itself, and who may have which of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

ANYBODY_KNOWN: Final = re.compile(r"list_\w+_permissions|get_overview|list_drops|query_costs")
"""Answers that are made for whoever asks, of what is his to see."""
READ_BY_POST: Final = frozenset({"get_output_uris", "get_run_data", "list_compute_nodes"})
"""What a reader may have, although nobody GETs it."""
OF_SCORERS: Final = frozenset({"issue_online_endpoint_token"})
ELSEWHERE: Final = "contributor/onlineEndpoints/elsewhere"
"""A role for one endpoint, which is not there."""

_DATA: Final = ("/endpoints/", "/events/", "/jobs", "/score", "/swagger.json", "/v1/", "/v2/")
_BY_CODE: Final = re.compile(r"confirm_event_subscription\w*")
_METHODS: Final = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """`is_open`: without any credential. `is_data`: the endpoint's own credentials open it, or the
    mapping's."""

    name: str
    method: str
    path: str
    is_open: bool
    is_data: bool

    @property
    def refused(self) -> Iterator[str | None]:
        """The roles that have no right to it, whatever is there and whatever they send; None for
        whoever has no credential."""
        if self.is_open or self.is_data:
            return
        yield None
        if ANYBODY_KNOWN.fullmatch(self.name):
            return
        if self.name not in OF_SCORERS:
            yield "scorer"
        if self.method != "GET" and self.name not in READ_BY_POST:
            yield "reader"
        yield ELSEWHERE

    def at(self, names: Mapping[str, str], other: str) -> str:
        """The path, its places filled with `names`, or with `other`."""
        return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], other), self.path)


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Of an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                name, told = methods[method]["operationId"], methods[method]
                # A code that only the subscriber has opens that one.
                is_open = told.get("security") == [] or bool(_BY_CODE.fullmatch(name))
                is_data = path.startswith(_DATA)
                yield Operation(name, method.upper(), path, is_open, is_data)
