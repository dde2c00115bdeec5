"""Signing in to the studio by an owner's link: its code is taken once, by POST, and becomes a
session by two secrets, a cookie that scripts cannot read and one that the page alone has. Either
without the other opens nothing: every port of a machine gets its cookies."""

import time
from typing import Final

from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.audit.login_counts import Login
from domain.errors import DomainError, Invalid
from domain.identities.sign_in_links import LinkSession, SignInLinks
from handlers import wire
from handlers.addresses import Addresses, client_address
from handlers.admission import Admission
from handlers.auditing import told
from handlers.refusals import render_error
from handlers.studio.studio_requests import NO_STORE, check_own_page, set_cookie, shown

REDEEM: Final = "link"
SECRET_HEADER: Final = "x-studio-secret"
_COOKIE: Final = "__Host-studio-link"
_ACTION: Final = "clients/signInLinks/redeem/action"
_TARGET: Final = "studio"
"""What codes and sessions open, of which too many bad ones keep an address out."""
_LONGEST: Final = 4096


class StudioLinks:
    def __init__(self, addresses: Addresses, links: SignInLinks, admission: Admission) -> None:
        self._addresses = addresses
        self._links = links
        self._admission = admission

    @property
    def offered(self) -> bool:
        return self._links.offered

    async def redeem(self, req: Request) -> Response:
        """A session, and the first token of it, for a link's code."""
        try:
            check_own_page(req, self._addresses)
            code = _code(await wire.read_json(req, limit=_LONGEST))
            session = await self._redeemed(req, code)
            token = await self._links.token(session.cookie, session.secret)
        except DomainError as error:
            return render_error(error)
        answer = JSONResponse({"secret": session.secret, **shown(token)}, headers=NO_STORE)
        set_cookie(answer, _COOKIE, session.cookie, int(session.ends - time.time()), "Strict")
        return answer

    async def token(self, req: Request) -> Response:
        """Another token of the session, until that is over."""
        try:
            check_own_page(req, self._addresses)
            cookie, secret = _shown_by(req)
            with self._admission.opening(req, _TARGET, f"{cookie} {secret}", _ACTION, ""):
                token = await self._links.token(cookie, secret)
        except DomainError as error:
            return render_error(error)
        return JSONResponse(shown(token), headers=NO_STORE)

    async def end(self, req: Request) -> Response:
        try:
            check_own_page(req, self._addresses)
            cookie, secret = _shown_by(req)
            with self._admission.opening(req, _TARGET, f"{cookie} {secret}", _ACTION, ""):
                await self._links.end(cookie, secret)
        except DomainError as error:
            return render_error(error)
        answer = Response(status_code=204, headers=NO_STORE)
        set_cookie(answer, _COOKIE, "", 0, "Strict")
        return answer

    async def _redeemed(self, req: Request, code: str) -> LinkSession:
        address = told(client_address(req))
        with self._admission.opening(req, _TARGET, code, _ACTION, ""):
            session = await self._links.redeem(code, address)
        resource = f"clients/{session.client}"
        login = Login(_ACTION, resource, address, 200, client=session.client)
        self._admission.door.logged_in(login)
        return session


def by_link(req: Request) -> bool:
    """Whether the page says that a link has signed it in."""
    return SECRET_HEADER in req.headers


def _shown_by(req: Request) -> tuple[str, str]:
    return req.cookies.get(_COOKIE, ""), req.headers.get(SECRET_HEADER, "")


def _code(body: object) -> str:
    code = body.get("code") if isinstance(body, dict) else None
    if not isinstance(code, str):
        raise Invalid("The code of a sign-in link is needed.", target="code")
    return code
