"""Who may ask a studio on loopback."""

import pytest

from cli.studio.doorkeeper import COOKIE, SECOND_SECRET, Doorkeeper, Opened
from tests.kit.clocks import HeldClock

PORT = 7000
OWN = {"Host": f"127.0.0.1:{PORT}", "Sec-Fetch-Site": "same-origin"}


def opened(keeper: Doorkeeper) -> Opened:
    found = keeper.open(keeper.new_code())
    assert found is not None
    return found


def asked(session: Opened, **more: str) -> dict[str, str]:
    return {
        "Cookie": f"other=1; {COOKIE}={session.cookie}",
        SECOND_SECRET: session.secret,
        **more,
    }


def test_a_code_opens_one_session_within_a_minute() -> None:
    clock = HeldClock()
    keeper = Doorkeeper(PORT, clock.unix)
    code, late = keeper.new_code(), keeper.new_code()
    assert keeper.open(code) is not None
    assert keeper.open(code) is None
    clock.move(60)
    assert keeper.open(late) is None
    assert keeper.open("made up") is None


def test_a_session_is_known_by_its_cookie_and_its_second_secret_together() -> None:
    keeper = Doorkeeper(PORT)
    one, other = opened(keeper), opened(keeper)
    assert keeper.knows(asked(one))
    assert not keeper.knows(asked(one, Cookie=""))
    assert not keeper.knows({"Cookie": asked(one)["Cookie"]})
    assert not keeper.knows(asked(one, **{SECOND_SECRET: other.secret}))
    assert not keeper.knows(asked(one, **{SECOND_SECRET: "é"}))
    assert not keeper.knows(asked(one, Cookie="studio=\x00; ="))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": f"evil.example:{PORT}"},  # a name that was turned to 127.0.0.1
        {"Host": "127.0.0.1"},
        {"Host": f"127.0.0.1:{PORT + 1}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this address
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_somewhere_else_is_not_its_own(headers: dict[str, str]) -> None:
    keeper = Doorkeeper(PORT)
    assert keeper.is_own_page(OWN)
    assert keeper.is_own_page({"Host": f"localhost:{PORT}"})
    assert not keeper.is_own_page({**OWN, **headers})
