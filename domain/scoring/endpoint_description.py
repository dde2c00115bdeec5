"""The API document of an endpoint: its deployments' own, merged.

A caller who names no deployment may meet any that has traffic. So the document says what all
of these take and give: the same schema once, different ones as alternatives. Swagger 2.0 has
no alternatives; there the busiest deployment's stand, and the text says which others differ.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.scoring_exchange import SWAGGER, Answer, Call
from domain.scoring.scoring_headers import DEPLOYMENT

_MAX_BYTES = 4 * 2**20
_SCHEMAS = ("ServiceInput", "ServiceOutput")


async def describe(scoring: OnlineScoring, call: Call, url: str) -> Answer:
    """The answer to a read of an endpoint's API document, which stands at `url` without its
    last part. One that names a deployment gets that deployment's document as it is; a
    deployment that cannot tell, or has none of this version, is left out."""
    answer = await scoring.score(call)
    if answer.status != 200 or any(name.lower() == DEPLOYMENT for name, _ in call.headers):
        return answer
    body = await _whole(answer)
    chosen = next(value for name, value in answer.headers if name == DEPLOYMENT)
    documents = {chosen: _document(body)}
    kept = [(name, value) for name, value in call.headers if name.lower() == "authorization"]
    for name in await scoring.sharing(call.endpoint):
        if name == chosen:
            continue
        headers = [*kept, (DEPLOYMENT, name)]
        other = Call(call.endpoint, "GET", SWAGGER, call.query, headers, call.body)
        told = await scoring.score(other)
        text = await _whole(told)
        if told.status == 200:
            documents[name] = _document(text)
    first = documents[chosen]
    if first is None:
        return Answer(answer.status, answer.headers, body)
    merged = merge({name: d for name, d in documents.items() if d is not None}, call.endpoint, url)
    headers = [(n, v) for n, v in answer.headers if n not in ("content-length", DEPLOYMENT)]
    return Answer(200, headers, json.dumps(merged).encode())


async def _whole(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    pieces = bytearray()
    try:
        async for piece in answer.body:
            pieces += piece
            if len(pieces) > _MAX_BYTES:
                return b""
    finally:
        await answer.body.aclose()
    return bytes(pieces)


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def merge(documents: dict[str, dict[str, Any]], endpoint: str, url: str) -> dict[str, Any]:
    """One document of several of one version, by deployment; the first one's form and words.
    Documents that users wrote themselves may have other schemas: these are left alone."""
    names = list(documents)
    merged = deepcopy(documents[names[0]])
    swagger = "swagger" in merged
    _place(merged, url, swagger=swagger)
    told = f"What the endpoint {endpoint} takes and gives; its deployments: {', '.join(names)}."
    known = _schemas(merged)
    if known is not None:
        differing = []
        for schema in _SCHEMAS:
            given = {name: _schema(documents[name], schema) for name in names}
            alternatives = _distinct([(n, s) for n, s in given.items() if s is not None])
            if len(alternatives) < 2:
                continue
            differing += [n for n, s in given.items() if s != given[names[0]]]
            if not swagger:
                known[schema] = {"oneOf": [_titled(n, s) for n, s in alternatives]}
        if differing and swagger:
            others = ", ".join(dict.fromkeys(differing))
            told += f" The schemas are {names[0]}'s; these differ: {others}."
    info = merged.get("info")
    merged["info"] = {**(info if isinstance(info, dict) else {}), "title": endpoint}
    merged["info"]["description"] = told
    return merged


def _schemas(document: dict[str, Any]) -> dict[str, Any] | None:
    found = document.get("definitions")
    if found is None:
        components = document.get("components")
        found = components.get("schemas") if isinstance(components, dict) else None
    return found if isinstance(found, dict) else None


def _schema(document: dict[str, Any], name: str) -> Any:
    return (_schemas(document) or {}).get(name)


def _distinct(given: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Each schema once, with the first deployment that has it."""
    found: list[tuple[str, Any]] = []
    for name, schema in given:
        if all(schema != known for _, known in found):
            found.append((name, schema))
    return found


def _titled(deployment: str, schema: Any) -> Any:
    return {"title": deployment, **schema} if isinstance(schema, dict) else schema


def _place(document: dict[str, Any], url: str, *, swagger: bool) -> None:
    """Where the paths in the document begin."""
    if swagger:
        parts = urlsplit(url)
        document.update(host=parts.netloc, basePath=parts.path or "/", schemes=[parts.scheme])
    else:
        document["servers"] = [{"url": url}]
