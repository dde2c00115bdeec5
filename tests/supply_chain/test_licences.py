import pytest

from supply_chain import licences
from supply_chain.licences import Licence, is_allowed, licence_of, spdx


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", True),
        ("GPL-3.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("AGPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-3.0-only OR MPL-2.0)", False),
        ("MIT OR Apache-2.0 AND GPL-2.0-only", True),
        ("(MIT OR Apache-2.0) AND GPL-2.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT WITH anything", False),
        ("(MIT", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_if_it_can_be_chosen_without_copyleft(
    expression: str, *, allowed: bool
) -> None:
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MIT License", "MIT"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("apache-2.0", "Apache-2.0"),
        ("GPLv3", None),
        ("See the file LICENSE", None),
        ("", None),
        ("Copyright " * 100, None),
    ],
)
def test_what_a_package_says_is_put_in_spdxs_words(text: str, meant: str | None) -> None:
    assert spdx(text) == meant


def test_every_package_at_run_time_has_a_licence_that_is_allowed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert licences.main() == 0
    shown = capsys.readouterr().out
    assert "cryptography " in shown
    assert "mypy" not in shown


def test_an_unknown_licence_is_refused_by_the_packages_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unknown = licence_of("a-package-that-nobody-has")
    assert unknown == Licence("a-package-that-nobody-has", None, "its licence is unknown")
    copyleft = Licence("x", "GPL-3.0-only", "GPL-3.0-only is not among the licences allowed")
    assert licences.report([unknown, copyleft]) == 1
    assert capsys.readouterr().err == (
        "a-package-that-nobody-has: its licence is unknown\n"
        "x: GPL-3.0-only is not among the licences allowed\n"
    )


def test_an_exception_is_made_for_one_package_and_one_licence() -> None:
    assert licence_of("certifi") == Licence("certifi", "MPL-2.0", None)
    assert not is_allowed("MPL-2.0")
