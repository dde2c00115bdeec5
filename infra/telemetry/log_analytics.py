"""A Log Analytics workspace, asked by its query API."""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from domain.errors import Throttled, Unavailable, Unsupported

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

    from infra.settings.adapters import TelemetrySettings

_log = logging.getLogger(__name__)

_PATIENCE: Final = 30
"""Seconds that a query may take there."""
_MORE: Final = 10.0
_LARGEST: Final = 32 * 2**20
_LONGEST_WAIT: Final = 60.0
_UNSEEN: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What ends lines, or is no character, and JSON lets stand."""

Row = Mapping[str, Any]


class LogAnalytics:
    """`workspace` is its id, a GUID; `url` `https://api.loganalytics.azure.com`, or another
    cloud's. Opens its connections at the first query, and closes the credential with them."""

    def __init__(self, url: str, workspace: str, credential: "AsyncTokenCredential") -> None:
        self._url = f"{url}/v1/workspaces/{workspace}/query"
        self._scope = f"{url}/.default"
        self._workspace = workspace
        self._credential = credential
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._credential.close()

    async def rows(self, query: str) -> list[Row]:
        """Of the query's only table, by its columns, in the order that it asks for. Raises
        Throttled; Unsupported where the workspace is not there or not to be read; Unavailable, also
        for an answer in part: a page that lacks rows would look whole."""
        told = await self._asked(query)
        error = told.get("error")
        if error:
            raise Unavailable(
                f"Log Analytics has answered in part alone ({_said(error)}). Ask for less: "
                "a shorter time, or fewer at once."
            )
        try:
            [table] = [t for t in told["tables"] if t["name"] == "PrimaryResult"]
            names = [column["name"] for column in table["columns"]]
            return [dict(zip(names, row, strict=True)) for row in table["rows"]]
        except (KeyError, TypeError, ValueError) as fault:
            raise Unavailable("Log Analytics has answered what is no table.") from fault

    async def _asked(self, query: str) -> dict[str, Any]:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_PATIENCE + _MORE), trust_env=True
            )
        headers = {"Prefer": f"wait={_PATIENCE}", "Authorization": await self._bearer()}
        try:
            async with self._session.post(
                self._url, json={"query": query}, headers=headers, allow_redirects=False
            ) as answer:
                content = bytearray()
                async for piece in answer.content.iter_chunked(2**16):
                    content += piece
                    if len(content) > _LARGEST:
                        raise Unavailable("Log Analytics answers with too much: ask for less.")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"Log Analytics cannot be reached: {why}.") from error
        told = _json(content)
        if answer.status != 200:
            raise self._refusal(answer, _said(told.get("error")))
        return told

    async def _bearer(self) -> str:
        try:
            return f"Bearer {(await self._credential.get_token(self._scope)).token}"
        except Exception as error:  # a credential's errors are of no one kind
            raise Unavailable(f"There is no token for Log Analytics: {error}.") from error

    def _refusal(self, answer: "aiohttp.ClientResponse", said: str) -> Exception:
        _log.warning("Log Analytics refuses a query: %d %s", answer.status, said)
        if answer.status == 429:
            asked = answer.headers.get("Retry-After", "")
            wait = min(float(asked), _LONGEST_WAIT) if asked.isdecimal() else _LONGEST_WAIT / 2
            told = "Log Analytics is asked too often: again in a while."
            return Throttled(told, retry_after=max(wait, 1.0))
        if answer.status in (401, 403):
            return Unsupported(
                f"The app may not read the Log Analytics workspace {self._workspace}: give its "
                f"identity the role Log Analytics Reader there. It was told: {said}"
            )
        if answer.status == 404:
            return Unsupported(
                f"There is no Log Analytics workspace {self._workspace}: "
                "ML_ENDPOINTS_LOG_WORKSPACE is the workspace's id, a GUID."
            )
        if answer.status == 400:
            return Unsupported(f"The Log Analytics workspace has not what is asked for: {said}")
        return Unavailable(f"Log Analytics has no answer now ({answer.status}): {said}")


def named(settings: "TelemetrySettings") -> LogAnalytics | None:
    """The workspace that the settings name, asked by the identity of this machine."""
    if settings.log_workspace is None:
        return None
    from azure.identity.aio import DefaultAzureCredential

    return LogAnalytics(settings.log_query_url, settings.log_workspace, DefaultAzureCredential())


def quoted(text: str) -> str:
    """As a string in a query: nothing in it ends it, or means anything."""
    return _UNSEEN.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False)
    )


def moment(seconds: float) -> str:
    """As a time in a query."""
    return f"datetime({datetime.fromtimestamp(seconds, UTC).isoformat()})"


def _json(content: bytearray) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _said(error: Any) -> str:
    """The innermost that an error says, which is what is of use."""
    said = ""
    while isinstance(error, dict):
        message, code = error.get("message"), error.get("code")
        said = ": ".join(str(each) for each in (code, message) if each) or said
        error = error.get("innererror") or next(iter(error.get("details") or ()), None)
    return said[:500] or "no reason"
