"""Signing in to the studio at the issuer: the browser comes back with a code, and keeps a session
in a cookie that scripts cannot read and no other site makes it send; the page has a token of it."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.errors import DomainError, Forbidden, Unauthenticated
from domain.ports import Cipher, SignedIn, SignInAnswer, SignIns
from handlers.addresses import Addresses
from handlers.refusals import render_error

BEGIN: Final = "sign-in"
BACK: Final = "signed-in"
SESSION: Final = "session"
CSRF_HEADER: Final = "x-studio"
_KEPT: Final = "__Host-studio-sign-in"
_COOKIE: Final = "__Host-studio"
_PURPOSE: Final = "studio-session"
_KEPT_FOR: Final = 600
_PIECE: Final = 3600
"""Bytes of a cookie; browsers take 4096 with its name and what is said of it."""
_PIECES: Final = 4
_NO_STORE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


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
        _set(answer, _KEPT, begun.kept, _KEPT_FOR, "Lax")
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
        _set(answer, _KEPT, "", 0, "Lax")
        return answer

    async def token(self, req: Request) -> Response:
        """The session's token, for the page of this origin alone."""
        try:
            self._check_own_page(req)
            token, ends = self._session(req)
        except DomainError as error:
            return render_error(error)
        return JSONResponse({"accessToken": token, "expiresOn": ends}, headers=_NO_STORE)

    async def end(self, req: Request) -> Response:
        try:
            self._check_own_page(req)
        except DomainError as error:
            return render_error(error)
        answer = Response(status_code=204, headers=_NO_STORE)
        for number in range(_PIECES):
            _set(answer, _piece_name(number), "", 0, "Strict")
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
            _set(answer, _piece_name(number), piece, int(found.ends - time.time()), "Strict")

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

    def _check_own_page(self, req: Request) -> None:
        """A header of its own, which another site's page may not send unasked; and where browsers
        say who asks, this origin."""
        host = req.headers.get("host", "")
        origin = urlsplit(req.headers.get("origin", f"//{host}")).netloc
        site = req.headers.get("sec-fetch-site", "same-origin")
        if req.headers.get(CSRF_HEADER) != "1" or origin != host or site != "same-origin":
            raise Forbidden("The studio's session answers its own page alone.")


def _redirect(url: str) -> Response:
    return Response(status_code=303, headers={**_NO_STORE, "Location": url})


def _piece_name(number: int) -> str:
    return f"{_COOKIE}-{number}" if number else _COOKIE


def _set(answer: Response, name: str, value: str, seconds: int, same_site: str) -> None:
    seconds = seconds if value else 0
    answer.headers.append(
        "Set-Cookie",
        f"{name}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite={same_site}",
    )
