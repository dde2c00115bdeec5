"""Where nobody has told how people sign in."""

from typing import NoReturn

from domain.errors import Unsupported
from domain.ports import SignedIn, SignInAnswer, SignInBegun, SignIns


class NoSignIns(SignIns):
    @property
    def offered(self) -> bool:
        return False

    async def begin(self, back: str) -> SignInBegun:
        self._refuse()

    async def finish(self, kept: str, back: str, answer: SignInAnswer) -> SignedIn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unsupported("Nobody signs in here: ML_ENDPOINTS_STUDIO_CLIENT_ID is not set.")
