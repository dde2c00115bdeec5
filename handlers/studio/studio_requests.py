"""What the doors of the studio's sessions have in common: which page may ask, and cookies."""

import time
from typing import Final
from urllib.parse import urlsplit

from azurefunctions.extensions.http.fastapi import Request, Response

from domain.errors import Forbidden
from domain.ports import SignedIn
from handlers.addresses import Addresses

CSRF_HEADER: Final = "x-studio"
NO_STORE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def check_own_page(req: Request, addresses: Addresses) -> None:
    """That this host's page asks, by the address that the host knows itself by: with a header of
    its own, which another site's page may not send unasked; and where browsers say who asks, this
    origin. Raises Forbidden."""
    host = req.headers.get("host", "")
    if _bare(host) != _bare(urlsplit(addresses.base_url).netloc):
        raise Forbidden(f"The studio's sessions are at {addresses.absolute('/studio')} alone.")
    origin = urlsplit(req.headers.get("origin", f"//{host}")).netloc
    site = req.headers.get("sec-fetch-site", "same-origin")
    if req.headers.get(CSRF_HEADER) != "1" or origin != host or site != "same-origin":
        raise Forbidden("The studio's session answers its own page alone.")


def shown(token: SignedIn) -> dict[str, object]:
    """To a session's page; `expiresIn` is in seconds, for clocks differ."""
    left = max(0, int(token.ends - time.time()))
    return {"accessToken": token.token, "expiresOn": token.ends, "expiresIn": left}


def set_cookie(answer: Response, name: str, value: str, seconds: int, same_site: str) -> None:
    """One that scripts cannot read; an empty one is gone."""
    seconds = seconds if value else 0
    answer.headers.append(
        "Set-Cookie",
        f"{name}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite={same_site}",
    )


def _bare(netloc: str) -> str:
    """Without the ports that need not be said."""
    return netloc.lower().removesuffix(":443").removesuffix(":80")
