"""What every door does with the credentials that it is shown, good ones and refused ones."""

from domain.audit.address_limits import AddressLimits
from domain.audit.login_counts import Login, LoginCounts

_OUT_OF_DATE = frozenset({"ExpiredToken", "RevokedToken", "TokenExpired", "TokenRevoked"})
"""Errors of credentials that were good ones: nobody guesses those."""


class CredentialDoor:
    """Whoever shows too many credentials that are none is kept out for the rest of the minute;
    every refusal is counted in the audit log. `target` is what a credential would open."""

    def __init__(self, limits: AddressLimits, logins: LoginCounts) -> None:
        self.limits = limits
        """While they watch nobody, `check` and `taken` have nothing to do."""
        self._logins = logins

    def check(self, address: str, target: str, credential: bytes) -> None:
        """Before the credential is looked at. Raises Throttled."""
        self.limits.check(address, target, credential)

    def taken(self, address: str, target: str, credential: bytes) -> None:
        """After it was found to be good."""
        self.limits.spare(address, target, credential)

    def logged_in(self, login: Login) -> None:
        """Somebody has a token for a credential that was taken."""
        self._logins.count(login)

    def refused(self, target: str, login: Login, *, credential: bytes) -> None:
        """Whoever shows none, one that was good once, or a good one without the right, is counted
        and not kept out."""
        if credential and login.code == 401 and login.error not in _OUT_OF_DATE:
            self.limits.count(login.address, target)
        self._logins.count(login)
