"""Signing in to the studio at the issuer: the browser comes back with a code, and keeps a session
in a cookie that scripts cannot read and no other site makes it send; the page has a token of it."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.errors import DomainError, Unauthenticated
from domain.ports import Cipher, SignedIn, SignInAnswer, SignIns
from handlers.addresses import Addresses
from handlers.refusals import render_error
from handlers.studio.studio_requests import NO_STORE, check_own_page, set_cookie, shown

BEGIN: Final = "sign-in"
BACK: Final = "signed-in"
SESSION: Final = "session"
_KEPT: Final = "__Host-studio-sign-in"
_COOKIE: Final = "__Host-studio"
_PURPOSE: Final = "studio-session"
_KEPT_FOR: Final = 600
_PIECE: Final = 3600
"""Bytes of a cookie; browsers take 4096 with its name and what is said of it."""
_PIECES: Final = 4


class StudioSessions:
    def __init__(self, addresses: Addresses, sign_ins: SignIns, cipher: Cipher) -> None:
        self._addresses = addresses
        self._sign_ins = sign_ins
        self._cipher = cipher

    @property
    def link(self) -> str | None:
        """Where one begins to; None where nobody can."""
        if not self._sign_ins.offered:
            return None
        return self._addresses.absolute(f"/studio/{BEGIN}")

    async def begin(self, req: Request) -> Response:
        """To the issuer, with what this browser is known by when it is back."""
        try:
            begun = await self._sign_ins.begin(self._back)
        except DomainError as error:
            return self._home(error.message)
        answer = _redirect(begun.url)
        # Lax: the issuer's page leads here.
        set_cookie(answer, _KEPT, begun.kept, _KEPT_FOR, "Lax")
        return answer

    async def back(self, req: Request) -> Response:
        """From the issuer, into a session, or home with why not."""
        asked = req.query_params
        told = SignInAnswer(
            state=asked.get("state", ""),
            code=asked.get("code", ""),
            issuer=asked.get("iss", ""),
            error=asked.get("error_description", "") or asked.get("error", ""),
        )
        kept = req.cookies.get(_KEPT, "")
        try:
            signed_in = await self._sign_ins.finish(kept, self._back, told)
            answer = self._home()
            self._keep(answer, signed_in)
        except DomainError as error:
            answer = self._home(error.message)
        set_cookie(answer, _KEPT, "", 0, "Lax")
        return answer

    async def token(self, req: Request) -> Response:
        """The session's token, for the page of this origin alone."""
        try:
            check_own_page(req, self._addresses)
            token, ends = self._session(req)
        except DomainError as error:
            return render_error(error)
        return JSONResponse(shown(SignedIn(token, ends)), headers=NO_STORE)

    async def end(self, req: Request) -> Response:
        try:
            check_own_page(req, self._addresses)
        except DomainError as error:
            return render_error(error)
        answer = Response(status_code=204, headers=NO_STORE)
        for number in range(_PIECES):
            set_cookie(answer, _piece_name(number), "", 0, "Strict")
        return answer

    @property
    def _back(self) -> str:
        return self._addresses.absolute(f"/studio/{BACK}")

    def _home(self, fault: str = "") -> Response:
        """A fragment stays in the browser: no log has it."""
        told = f"#fault={quote(fault, safe='')}" if fault else ""
        return _redirect(f"{self._addresses.absolute('/studio')}{told}")

    def _keep(self, answer: Response, found: SignedIn) -> None:
        kept = {"for": _PURPOSE, "token": found.token, "ends": found.ends}
        sealed = self._cipher.encrypt(json.dumps(kept))
        pieces = [sealed[at : at + _PIECE] for at in range(0, len(sealed), _PIECE)]
        if len(pieces) > _PIECES:
            raise Unauthenticated("The issuer's token is too large to be kept by a browser.")
        for number in range(_PIECES):
            piece = pieces[number] if number < len(pieces) else ""
            set_cookie(answer, _piece_name(number), piece, int(found.ends - time.time()), "Strict")

    def _session(self, req: Request) -> tuple[str, float]:
        sealed = "".join(req.cookies.get(_piece_name(n), "") for n in range(_PIECES))
        try:
            kept: Mapping[str, Any] = json.loads(self._cipher.decrypt(sealed))
            good = kept["for"] == _PURPOSE and time.time() < kept["ends"]
        except (DomainError, ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise Unauthenticated("Nobody is signed in here, or no longer.", code="SignedOut")
        return kept["token"], kept["ends"]


def _redirect(url: str) -> Response:
    return Response(status_code=303, headers={**NO_STORE, "Location": url})


def _piece_name(number: int) -> str:
    return f"{_COOKIE}-{number}" if number else _COOKIE
