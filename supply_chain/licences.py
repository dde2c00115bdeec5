"""`python -m supply_chain.licences`: the licence of every package that the application runs on;
1 where one is unknown, or asks for what `ALLOWED` does not have."""

import importlib.metadata
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from supply_chain.components import bill, names

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""SPDX identifiers of licences that ask for a notice, and nothing of who uses the package."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("pathspec", "MPL-2.0"): "asks for the sources of its own files alone, which are not changed",
    ("certifi", "MPL-2.0"): "asks for the sources of its own files alone, which are not changed",
}
"""By package and licence: why it may be used all the same."""

UNINSTALLED: Mapping[str, str] = {}
"""Of packages that the application has on other platforms than the developers'."""

_PLAIN = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "mit license": "MIT",
}
_CLASSIFIERS = {
    "OSI Approved :: Apache Software License": "Apache-2.0",
    "OSI Approved :: BSD License": "BSD-3-Clause",
    "OSI Approved :: ISC License (ISCL)": "ISC",
    "OSI Approved :: MIT License": "MIT",
    "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
_LONGEST = 100


@dataclass(frozen=True)
class Licence:
    """`expression` is in SPDX's words, None where nobody knows; `fault` is why the package may
    not be used."""

    package: str
    expression: str | None
    fault: str | None


def licence_of(package: str) -> Licence:
    """As the package says itself."""
    expression = _said(package)
    if expression is None:
        return Licence(package, None, "its licence is unknown")
    if is_allowed(expression) or (package, expression) in EXCEPTIONS:
        return Licence(package, expression, None)
    return Licence(package, expression, f"{expression} is not among the licences allowed")


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression leaves a choice that has nothing but allowed licences in it."""
    words = re.findall(r"[()]|[^\s()]+", expression)
    held = _choice(words)
    return held and not words


def _choice(words: list[str]) -> bool:
    """OR binds less than AND; what was read is taken off `words`."""
    held = _sum(words)
    while words[:1] == ["OR"]:
        del words[0]
        held = _sum(words) or held
    return held


def _sum(words: list[str]) -> bool:
    held = _one(words)
    while words[:1] == ["AND"]:
        del words[0]
        held = _one(words) and held
    return held


def _one(words: list[str]) -> bool:
    word = words.pop(0) if words else ""
    if word != "(":
        return word in ALLOWED
    held = _choice(words)
    return words[:1] == [")"] and words.pop(0) == ")" and held


def spdx(text: str) -> str | None:
    """`text` as an SPDX expression, if it is or means one."""
    plain = " ".join(text.split())
    if not plain or len(plain) > _LONGEST:
        return None
    try:
        return str(canonicalize_license_expression(_PLAIN.get(plain.casefold(), plain)))
    except InvalidLicenseExpression:
        return None


def _said(package: str) -> str | None:
    try:
        told = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return UNINSTALLED.get(package)
    for field in ("License-Expression", "License"):
        if found := spdx("".join(told.get_all(field) or ())):
            return found
    classified = [
        _CLASSIFIERS.get(each.partition(" :: ")[2])
        for each in told.get_all("Classifier") or ()
        if re.match(r"License :: (?!OSI Approved$)", each)
    ]
    # Several are a choice or a sum, nobody knows which: all must be allowed.
    if not classified or None in classified:
        return None
    return " AND ".join(sorted({str(each) for each in classified}))


def main() -> int:
    found = [licence_of(name) for name in names(bill())]
    sys.stdout.writelines(f"{each.package:<45} {each.expression or '?'}\n" for each in found)
    return report([each for each in found if each.fault])


def report(refused: Sequence[Licence]) -> int:
    for each in refused:
        sys.stderr.write(f"{each.package}: {each.fault}\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
