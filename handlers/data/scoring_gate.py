"""What stands before scoring: an address of which too many bad credentials came gets no further,
and credentials that scoring refuses are counted."""

from azurefunctions.extensions.http.fastapi import Request

from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import Login
from domain.errors import Throttled
from domain.scoring.endpoint_description import describe
from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.scoring_access import SCORE_ACTION
from domain.scoring.scoring_exchange import SWAGGER, Answer, Call
from domain.scoring.scoring_refusals import Refused, too_many_refused
from handlers.addresses import client_address
from handlers.auditing import told

_NOT_LET_IN = (401, 403)
_LET_IN = (408, 413, 424, 429, 502)
"""Refusals of whoever showed a good credential."""


class ScoringGate:
    """While no bad credential has come of late it costs a request next to nothing."""

    def __init__(self, scoring: OnlineScoring, door: CredentialDoor) -> None:
        self._scoring = scoring
        self._door = door
        self._limits = door.limits

    async def answer(self, call: Call, request: Request, place: str) -> Answer:
        """As `OnlineScoring.score`; `place` is where the endpoint is, for its description."""
        watched = self._limits.watching
        if watched and (refusal := self._kept_out(call, request)) is not None:
            self._count(call, request, refusal)
            return self._scoring.refuse(call, refusal)
        if call.path == SWAGGER:
            answer = await describe(self._scoring, call, place)
        else:
            answer = await self._scoring.score(call)
        if answer.status in _NOT_LET_IN and answer.refusal is not None:
            self._count(call, request, answer.refusal)
        elif watched and (answer.refusal is None or answer.status in _LET_IN):
            self._door.taken(client_address(request), _target(call), _credential(call))
        return answer

    def _kept_out(self, call: Call, request: Request) -> Refused | None:
        try:
            self._door.check(client_address(request), _target(call), _credential(call))
        except Throttled as error:
            return too_many_refused(round(error.retry_after))
        return None

    def _count(self, call: Call, request: Request, refusal: Refused) -> None:
        login = Login(
            SCORE_ACTION,
            told(_target(call)),
            told(client_address(request)),
            refusal.status,
            caller=told(refusal.caller),
            error=refusal.code,
        )
        self._door.refused(_target(call), login, credential=_credential(call))


def _target(call: Call) -> str:
    return f"onlineEndpoints/{call.endpoint.casefold()}"


def _credential(call: Call) -> bytes:
    text = next((value for name, value in call.headers if name == "authorization"), "")
    return text.encode("latin-1")
