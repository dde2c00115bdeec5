"""How lists of assets may be narrowed and ordered by their query."""

from azurefunctions.extensions.http.fastapi import Request

from domain.assets.asset_listing import Listing, ListView, OrderKey
from domain.errors import Invalid, Unsupported
from handlers.http import paging

_NO_FILTER = ("description", "properties", "feed", "offset", "latestVersionOnly")


def view(request: Request) -> ListView:
    text = request.query_params.get("listViewType") or ListView.ACTIVE_ONLY
    try:
        return ListView(text)
    except ValueError:
        raise Invalid(
            f"'{text[:40]}' is not ActiveOnly, ArchivedOnly or All.", target="listViewType"
        ) from None


def listing(request: Request) -> Listing:
    query, page = request.query_params, paging(request)
    for name in _NO_FILTER:
        if query.get(name) not in (None, ""):
            raise Unsupported(f"Lists of versions cannot be narrowed by {name}.", target=name)
    key, descending = _order(query.get("$orderBy") or query.get("orderBy") or "createdtime desc")
    return Listing(
        top=page.top,
        continuation=page.continuation,
        view=view(request),
        key=key,
        descending=descending,
        version=query.get("version") or None,
        stage=query.get("stage") or None,
        tags=_tags(query.get("tags") or query.get("$tags") or ""),
        content_hash=query.get("hash") or None,
        hash_version=query.get("hashVersion") or None,
    )


def _order(text: str) -> tuple[OrderKey, bool]:
    words = text.casefold().split()
    keys = {"createdat": OrderKey.CREATED, "createdtime": OrderKey.CREATED}
    keys |= {"version": OrderKey.VERSION, "name": OrderKey.VERSION}
    if not 1 <= len(words) <= 2 or words[0] not in keys or words[-1] not in (*keys, "asc", "desc"):
        raise Invalid(
            f"'{text[:60]}' is not an order: use createdtime or version, then asc or desc.",
            target="$orderBy",
        )
    return keys[words[0]], words[-1] == "desc"


def _tags(text: str) -> dict[str, str | None]:
    """`a,b=c`: has a tag a, and a tag b that is c."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    return {name: value if equals else None for name, equals, value in pairs}
