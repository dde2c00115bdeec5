"""Who may call: credentials are checked, refusals answered and counted, and what is done is kept
in the audit log."""

import functools
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from azurefunctions.extensions.http.fastapi import Request, Response

from domain.audit.activities import AuditActivities
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import Login
from domain.errors import DomainError, Forbidden, Throttled, Unauthenticated
from domain.ground import access
from domain.ports import Principal, TokenVerifier
from handlers.addresses import Handler, client_address
from handlers.auditing import Auditor, Kept, told
from handlers.refusals import render_error, status_of
from handlers.what_if import Try, is_tried

CONTROL = "control"
"""What bearer tokens open, of which too many bad ones keep an address out."""

_TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*", re.ASCII)

Admitted = Callable[[Request], Awaitable[Principal]]
"""Who asks. Raises Unauthenticated, Forbidden and Throttled."""


class Attempt:
    """A credential that is being looked at; `login` says whose, as far as that is known."""

    def __init__(self, login: Login) -> None:
        self.login = login

    def by(self, principal: Principal) -> None:
        name, client = told(principal.id), told(principal.name)
        self.login = replace(self.login, caller=name, client=client)


class Admission:
    def __init__(self, verifier: TokenVerifier, audit: AuditActivities, trying: Try) -> None:
        self._verifier = verifier
        self._audit = audit
        self._trying = trying

    @property
    def door(self) -> CredentialDoor:
        return self._audit.door

    def auditor(self, kept: Kept, action: str, resource: Callable[[Request], str]) -> Auditor:
        return Auditor(self._audit.auditing, kept, action, resource)

    def guarded(self, handler: Handler, admitted: Admitted, auditor: Auditor) -> Handler:
        """`handler` for whom `admitted` lets in, its acts kept; refusals are answered."""

        async def answered(req: Request) -> Response:
            try:
                return await handler(req)
            except DomainError as error:
                return render_error(error)

        @functools.wraps(handler)
        async def guarded(req: Request) -> Response:
            try:
                caller = req.state.caller = await admitted(req)
                if auditor.is_of_writes and is_tried(req, auditor.action):
                    response = await self._trying(auditor.action, lambda: answered(req))
                else:
                    response = await auditor.through(req, caller, lambda: answered(req))
            except DomainError as error:
                response = render_error(error)
            return _closed(response)

        return guarded

    async def by_token(self, request: Request, action: str, scope: str | None) -> Principal:
        """The caller that a bearer token names, who may do `action` at `scope`, or whom nobody asks
        for a role (None)."""
        token = bearer(request)
        with self.opening(request, CONTROL, token, action, scope or "") as attempt:
            return await self.verified(attempt, token, action, scope)

    async def verified(
        self, attempt: Attempt, token: str, action: str, scope: str | None
    ) -> Principal:
        """As `by_token`, of an attempt that is being made."""
        if not token:
            raise Unauthenticated(
                "This call needs a bearer token: send 'Authorization: Bearer <token>'."
            )
        principal = await self._verifier.verify(token)
        attempt.by(principal)
        if scope is not None:
            access.require(principal, action, scope)
        return principal

    @contextmanager
    def opening(
        self, request: Request, target: str, credential: str, action: str, resource: str
    ) -> Iterator[Attempt]:
        """Within, `credential` is checked, which would open `target`; what is raised is counted.
        Raises Throttled for an address of which too many bad ones came."""
        address, shown, door = client_address(request), _bytes(credential), self._audit.door
        attempt = Attempt(Login(action, told(resource), told(address), 401))
        try:
            door.check(address, target, shown)
            yield attempt
        except (Unauthenticated, Forbidden, Throttled) as error:
            login = replace(attempt.login, code=status_of(error), error=error.code)
            door.refused(target, login, credential=shown)
            raise
        door.taken(address, target, shown)
        admit(request)


def admit(request: Request) -> None:
    """The caller's credential was good: a host that gives known callers more room wants to know
    it, and has said how in the request's scope."""
    tell = request.scope.get("admitted")
    if tell is not None:
        tell()


def bearer(request: Request) -> str:
    """The credential of the Authorization header; '' where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.casefold() == "bearer" else ""


def is_token(credential: str) -> bool:
    """Whether it has the form of a JSON Web Token: no key looks like one by chance."""
    return _TOKEN.fullmatch(credential) is not None


def _bytes(credential: str) -> bytes:
    """What a caller sent, even if it is no proper text."""
    return credential.encode(errors="surrogatepass")


def _closed(response: Response) -> Response:
    """For its caller alone, and what it says that it is."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
