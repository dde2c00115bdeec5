"""A request that changes something, tried: `?dryRun=true` answers what it would change, in the
shape of ARM's what-if."""

from collections.abc import Awaitable, Callable
from typing import Final

from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.assets.asset import KINDS
from domain.errors import Invalid, Unsupported
from domain.ground.rehearsal import rehearsing
from domain.identities.managed_identity import KIND as IDENTITY
from domain.ledger.what_if import WhatIf
from domain.names import WorkspaceScope
from domain.usage.rehearsing import Rehearsed
from handlers.what_if_view import ChangeView

PARAMETER: Final = "dryRun"
_OF_IDENTITIES: Final = ("userAssignedIdentities/", "roleAssignments/")
OFFERED: Final = (
    *("onlineEndpoints/", "batchEndpoints/", "jobs/", "schedules/", "budgets/", "metricAlerts/"),
    *("computes/", "eventSubscriptions/", "eventMappings/", "priceSheets/", "connections/"),
    *("clients/", *_OF_IDENTITIES),
    *(f"{kind.plural}/" for kind in KINDS),
)
_WRITES: Final = ("/write", "/delete", "/startPendingUpload/action")
_NO_CHANGE: Final = {"status": "Succeeded", "properties": {"changes": []}}


def is_offered(action: str) -> bool:
    """Whether a request for it may be tried."""
    return action.startswith(OFFERED) and action.endswith(_WRITES)


def is_tried(request: Request, action: str) -> bool:
    """Whether nothing is to be written. Raises Invalid, and Unsupported where that is not
    offered."""
    text = request.query_params.get(PARAMETER)
    if text is None or text.casefold() == "false":
        return False
    if text.casefold() != "true":
        raise Invalid(f"{PARAMETER} is true or false, not '{text[:40]}'.", target=PARAMETER)
    if not is_offered(action):
        there = ", ".join(each.strip("/") for each in OFFERED)
        raise Unsupported(
            f"A dry run is offered for writing and deleting {there}, for beginning uploads, and "
            "for invoking batch endpoints; nothing was done.",
            target=PARAMETER,
        )
    return True


Try = Callable[[str, Callable[[], Awaitable[Response]]], Awaitable[Response]]
"""What a request for an action would change, in the place of its answer."""


class Trying:
    """`scope` is where resources are."""

    def __init__(self, what_if: WhatIf, scope: WorkspaceScope) -> None:
        self._view = ChangeView(what_if, scope)

    async def answer(self, action: str, answer: Callable[[], Awaitable[Response]]) -> Response:
        """A refusal is answered as it would be; else what would change."""
        about = frozenset({IDENTITY}) if action.startswith(_OF_IDENTITIES) else frozenset[str]()
        try:
            with rehearsing(about):
                response = await answer()
        except Rehearsed as rehearsed:
            changes = await self._view.changes(rehearsed.planned)
            return JSONResponse({"status": "Succeeded", "properties": {"changes": changes}})
        if response.status_code >= 400:
            return response
        return JSONResponse(_NO_CHANGE)
