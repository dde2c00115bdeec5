"""A conda file as an environment that PyPI can build.

The rules stand on docs/conda-packages.md, which is made from the table in
domain/assets/conda_packages.py.
"""

import json
import re
import sys
from dataclasses import dataclass, field
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from domain.assets.conda_packages import IGNORED, PAGE, PYPI, canonical
from domain.assets.packages import numpy_versions
from domain.assets.packages.package_indexes import IndexReading, redacted
from domain.errors import Detail, Invalid
from domain.ports import EnvironmentSpec

TARGET = "properties.condaFile"
MAX_BYTES = 256 * 1024
HOST_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""What an environment gets that names no Python."""

_MAX_NODES = 10_000
_MAX_DEPTH = 16
_MAX_REQUIREMENT = 1000
_MAX_FAULTS = 50
_MAX_NUMBER = 64
_MAX_BRACKETS = 32
_NUMBER = re.compile(r"[-+0-9a-fA-FxXoO_.:]+")
_NUMBER_TAGS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WITHOUT_EFFECT = frozenset({"name", "channels", "prefix"})
_DEPENDENCY = re.compile(
    r"(?:[^\s:\[\]=<>!~,|]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?P<versions>.*)", re.DOTALL
)
_CLAUSE = re.compile(r"(?P<operator>==|!=|>=|<=|~=|=|>|<)?\s*(?P<version>.*)", re.DOTALL)
_EXACT_PYTHON = re.compile(r"==(\d+\.\d+(?:\.\d+)?)(?:\.\*)?")


def parse(conda: str) -> EnvironmentSpec:
    """The environment that the YAML text `conda` asks for. Raises Invalid with every fault
    in `details`, each with the target `properties.condaFile`."""
    spec, faults = read(conda)
    if spec is None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Invalid(f"{faults[0].message}{more}", target=TARGET, details=faults)
    return spec


def read(conda: str) -> tuple[EnvironmentSpec | None, list[Detail]]:
    """Like `parse`, but with the faults returned; the spec is None if there is any."""
    reading = _Reading()
    try:
        reading.document(load_yaml(conda, "conda file"))
    except Invalid as error:
        reading.faults.append(error.message)
    if reading.faults:
        told = reading.faults[:_MAX_FAULTS]
        if len(reading.faults) > len(told):
            told.append(f"There are {len(reading.faults) - len(told)} more faults.")
        return None, [Detail("InvalidCondaFile", fault, TARGET) for fault in told]
    requirements = tuple(reading.requirements)
    if bound := numpy_versions.bound(requirements):
        requirements = (*requirements, bound)
    python, named = reading.python or HOST_PYTHON, reading.indexes
    spec = EnvironmentSpec(
        python, requirements, named.indexes, uploaded_before=named.uploaded_before
    )
    return spec, []


def text_of(conda: Any) -> Any:
    """A conda file given as an object, as text (JSON is YAML); other things as they are."""
    if not isinstance(conda, dict):
        return conda
    try:
        return json.dumps(conda, indent=2, ensure_ascii=False)
    except RecursionError:
        raise ValueError("the conda file nests too deeply") from None


def load_yaml(text: str, what: str) -> Any:
    """The YAML of a `what` as plain data. Its events are walked first: no alias can multiply
    what is built, and nothing deep or long is built at all, nor a number of `1:1:1:...`, which
    YAML reads to the base of sixty in time by its square. Raises Invalid."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise Invalid(f"A {what} is at most {MAX_BYTES} bytes.")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise Invalid(f"A {what} may not have YAML anchors or aliases.")
            if isinstance(event, yaml.ScalarEvent) and _is_long_number(event):
                raise Invalid(f"A number in a {what} has at most {_MAX_NUMBER} characters.")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH or count > _MAX_NODES:
                raise Invalid(
                    f"A {what} has at most {_MAX_NODES} entries, nested {_MAX_DEPTH} deep."
                )
        return yaml.load(text, Loader=_LOADER)  # a safe one, by either name
    except (yaml.YAMLError, ValueError) as error:
        told = redacted(" ".join(str(error).split()))[:300]
        raise Invalid(f"The {what} is not valid YAML: {told}.") from None


def _is_long_number(event: Any) -> bool:
    """Whether it would be read as a number, and could be one of any size."""
    if len(event.value) <= _MAX_NUMBER:
        return False
    is_plain = event.tag is None and event.implicit[0]
    return bool(_NUMBER.fullmatch(event.value)) if is_plain else event.tag in _NUMBER_TAGS


@dataclass
class _Reading:
    """What has been understood so far, and every fault met."""

    python: str | None = None
    requirements: list[str] = field(default_factory=list)
    indexes: IndexReading = field(default_factory=IndexReading)
    faults: list[str] = field(default_factory=list)

    def document(self, document: Any) -> None:
        if not isinstance(document, dict):
            self.faults.append("A conda file is a mapping with 'dependencies'.")
            return
        for key in document:
            if key == "variables":
                self.faults.append(
                    "'variables' are not set from a conda file; put them into the deployment's "
                    "environmentVariables."
                )
            elif key != "dependencies" and key not in _WITHOUT_EFFECT:
                self.faults.append(
                    f"There is no key '{_shown(key)}' in a conda file; known are name, channels, "
                    "dependencies and prefix."
                )
        channels = document.get("channels") or []
        if not isinstance(channels, list) or not all(isinstance(c, str) for c in channels):
            self.faults.append("'channels' is a list of names.")
        dependencies = document.get("dependencies")
        if not isinstance(dependencies, list):
            self.faults.append("A conda file needs 'dependencies', a list.")
            return
        for entry in dependencies:
            self._entry(entry)

    def _entry(self, entry: Any) -> None:
        if isinstance(entry, str):
            self._conda(entry.strip())
        elif isinstance(entry, dict) and list(entry) == ["pip"]:
            listed = entry["pip"] or []
            if not isinstance(listed, list):
                self.faults.append("'pip' is a list of requirements.")
                return
            for requirement in listed:
                self._pip(requirement)
        else:
            self.faults.append(
                f"'{_shown(entry)}' is not a dependency: use 'name=version', or 'pip:' with a list."
            )

    def _pip(self, entry: Any) -> None:
        if not isinstance(entry, str) or not 0 < len(entry.strip()) <= _MAX_REQUIREMENT:
            self.faults.append(
                f"'{_shown(entry)}' under pip is not a requirement such as 'scikit-learn>=1.5'."
            )
            return
        text = entry.strip()
        if text.startswith("-"):
            if why := self.indexes.take(text):
                self.faults.append(f"'{_shown(text)}' under pip is refused: {why}.")
            return
        if why := _refused_form(text):
            self.faults.append(f"'{_shown(text)}' under pip is refused: {why}.")
            return
        if text.count("(") > _MAX_BRACKETS:
            told = f"more than {_MAX_BRACKETS} brackets"
            self.faults.append(f"'{_shown(text)}' under pip is not a requirement: {told}.")
            return
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError) as error:
            told = str(error).splitlines()[0]
            self.faults.append(f"'{_shown(text)}' under pip is not a requirement: {told}.")
            return
        if requirement.url:
            self.faults.append(f"'{_shown(text)}' under pip is refused: {_NO_URL}.")
            return
        self.requirements.append(str(requirement))

    def _conda(self, entry: str) -> None:
        match = _DEPENDENCY.fullmatch(entry) if len(entry) <= _MAX_REQUIREMENT else None
        if match is None:
            self.faults.append(f"'{_shown(entry)}' is not a conda package such as 'numpy=1.26'.")
            return
        name = match["name"]
        try:
            versions = _versions(match["versions"])
        except Invalid as error:
            self.faults.append(f"'{_shown(entry)}' is refused: {error.message}")
            return
        if canonical(name) == "python":
            self._python(entry, versions)
        elif canonical(name) in PYPI:
            self.requirements.append(PYPI[canonical(name)] + versions)
        elif canonical(name) not in IGNORED:
            self.faults.append(
                f"The conda package '{_shown(name)}' has no known counterpart on PyPI, where "
                f"environments are built from ({PAGE} has the table). If PyPI has it, list it "
                "under 'pip:'."
            )

    def _python(self, entry: str, versions: str) -> None:
        if self.python is not None:
            self.faults.append(f"'{_shown(entry)}' names a Python a second time.")
        elif exact := _EXACT_PYTHON.fullmatch(versions):
            self.python = exact[1]
        elif SpecifierSet(versions).contains(f"{HOST_PYTHON}.999"):
            # A patch that is surely new enough: a range speaks of minors here.
            self.python = HOST_PYTHON
        else:
            self.faults.append(
                f"'{_shown(entry)}' leaves out {HOST_PYTHON}, which a range stands for here; "
                "name one version, such as 'python=3.11'."
            )


_NO_URL = "nothing is fetched from URLs; upload a package to an index, or put it with the code"


def _refused_form(text: str) -> str | None:
    if re.match(r"(?:git|hg|svn|bzr)\+|.*@\s*(?:git|hg|svn|bzr)\+", text):
        return "version control is not fetched from; publish a package, or put it with the code"
    if "://" in text:
        return _NO_URL
    if text.startswith((".", "/", "~", "\\")) or text.endswith((".whl", ".tar.gz", ".zip", ".txt")):
        return "a local path means nothing here; put the files with the code"
    return None


def _versions(text: str) -> str:
    """Conda's version part as a PEP 440 one. Raises Invalid."""
    if "[" in text:
        raise Invalid("'[...]' is not understood; use plain versions.")
    if "|" in text:
        raise Invalid("alternatives ('|') cannot be told to PyPI; use a range.")
    text = text.strip()
    if text in ("", "*", "=*", "==*"):
        return ""
    joined = ",".join(_clause(clause.strip()) for clause in text.split(","))
    try:
        SpecifierSet(joined)
    except InvalidSpecifier:
        raise Invalid(f"'{_shown(text)}' is not a version that PyPI can have.") from None
    return joined


def _clause(text: str) -> str:
    match = _CLAUSE.fullmatch(text)
    operator, version = (match["operator"] or "", match["version"]) if match else ("", "")
    if "=" in version or re.search(r"\s", version):
        raise Invalid("a build string cannot be told to PyPI; leave it out.")
    stem = version.rstrip("*").rstrip(".")
    fuzzy = version != stem
    if operator in ("", "=") and (fuzzy or operator):
        # `=1.2rc1` is that release: PEP 440 has no prefix of a pre-release.
        return f"=={stem}.*" if _is_final(stem) else f"=={stem}"
    if operator == "":
        return f"=={version}"
    if fuzzy and operator in (">", ">=", "<", "<="):
        return f"{operator}{stem}"
    return f"{operator}{stem}.*" if fuzzy else f"{operator}{version}"


def _is_final(version: str) -> bool:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return True
    return not (parsed.pre or parsed.post or parsed.dev or parsed.local)


def _shown(thing: Any) -> str:
    text = redacted(str(thing))
    return text if len(text) <= 80 else f"{text[:80]}…"
