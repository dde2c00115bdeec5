from pathlib import Path

import pytest

from domain.assets import conda, conda_packages
from domain.errors import Invalid
from domain.ports import EnvironmentSpec


def requirements(*dependencies: str) -> tuple[str, ...]:
    return conda.parse(f"dependencies: {list(dependencies)!r}").requirements


def faults(text: str) -> list[str]:
    with pytest.raises(Invalid) as raised:
        conda.parse(text)
    assert {detail.target for detail in raised.value.details} == {"properties.condaFile"}
    return [detail.message for detail in raised.value.details]


def fault_of(dependency: str) -> str:
    (fault,) = faults(f"dependencies: [{dependency!r}]")
    return fault


def test_a_whole_conda_file_becomes_a_python_and_requirements() -> None:
    spec = conda.parse(
        """
        name: model
        channels: [conda-forge, defaults]
        dependencies:
          - python=3.10
          - pip=24.0
          - numpy=1.26
          - conda-forge::scikit-learn>=1.5,<2
          - pytorch-cpu==2.3.1
          - pip:
              - pandas ~= 2.2
              - uvicorn[standard]>=0.30 ; python_version > "3.8"
        """
    )
    assert spec == EnvironmentSpec(
        "3.10",
        (
            "numpy==1.26.*",
            "scikit-learn>=1.5,<2",
            "torch==2.3.1",
            "pandas~=2.2",
            'uvicorn[standard]>=0.30; python_version > "3.8"',
        ),
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("numpy", "numpy"),
        ("numpy=*", "numpy"),
        ("numpy=1", "numpy==1.*"),
        ("numpy=1.2.*", "numpy==1.2.*"),
        ("numpy 1.2.*", "numpy==1.2.*"),
        ("numpy=1.2*", "numpy==1.2.*"),
        ("numpy==1.2.3", "numpy==1.2.3"),
        ("numpy 1.2.3", "numpy==1.2.3"),
        ("numpy=2.0rc1", "numpy==2.0rc1"),
        ("numpy >=1.2, <2", "numpy>=1.2,<2"),
        ("numpy>=1.2.*", "numpy>=1.2"),
        ("numpy!=1.3.*", "numpy!=1.3.*"),
        ("numpy~=1.4", "numpy~=1.4"),
        ("NumPy", "numpy"),
        ("typing_extensions", "typing-extensions"),
        ("py-xgboost=2.0", "xgboost==2.0.*"),
        ("opencv", "opencv-python-headless"),
        ("uvicorn-standard", "uvicorn[standard]"),
    ],
)
def test_versions_and_names_are_translated(written: str, meant: str) -> None:
    assert requirements(written) == (meant,)


@pytest.mark.parametrize(
    ("written", "python"),
    [
        ("python=3.11", "3.11"),
        ("python==3.11.4", "3.11.4"),
        ("python 3.12.*", "3.12"),
        ("python", conda.HOST_PYTHON),
        ("python=3", conda.HOST_PYTHON),
        ("python>=3.8", conda.HOST_PYTHON),
        (f"python<={conda.HOST_PYTHON}.9999", conda.HOST_PYTHON),
    ],
)
def test_the_python_is_the_one_named_or_the_hosts_own(written: str, python: str) -> None:
    assert conda.parse(f"dependencies: ['{written}']").python == python


def test_a_file_with_only_pip_requirements_has_the_hosts_python() -> None:
    spec = conda.parse("dependencies: [{pip: [joblib]}]")
    assert spec == EnvironmentSpec(conda.HOST_PYTHON, ("joblib",))


def test_the_same_file_as_an_object_reads_the_same() -> None:
    given = {"dependencies": ["python=3.11", {"pip": ["joblib"]}]}
    assert conda.parse(conda.text_of(given)) == EnvironmentSpec("3.11", ("joblib",))


def test_what_pip_brings_already_changes_nothing() -> None:
    assert requirements("pip", "openssl=3.0", "_libgcc_mutex", "libstdcxx-ng") == ()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("numpy=1.2=py310_0", "build string"),
        ("numpy 1.2 py310_0", "build string"),
        ("numpy=1.2|1.3", "alternatives"),
        ("numpy[version=1.2]", "[...]"),
        ("numpy=banana", "not a version"),
        ("r-base", "docs/conda-packages.md"),
        ("cudatoolkit=11.8", "no known counterpart on PyPI"),
        ("python<3.5", "name one version"),
        ("x" * 5000, "not a conda package"),
        ("!!!", "not a conda package"),
    ],
)
def test_what_pypi_cannot_be_told_is_refused_by_name(written: str, why: str) -> None:
    fault = fault_of(written)
    assert why in fault
    assert written[:5] in fault


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("--index-url https://example.com", "options"),
        ("-r requirements.txt", "options"),
        ("-e .", "options"),
        ("./package", "local path"),
        ("/opt/package.whl", "local path"),
        ("package.whl", "local path"),
        ("git+https://example.com/x", "version control"),
        ("x @ git+ssh://example.com/x", "version control"),
        ("https://example.com/x.whl", "URLs"),
        ("x @ https://example.com/x.whl", "URLs"),
        ("x @ file:///etc/passwd", "URLs"),
        ("not a requirement", "not a requirement"),
        ("x; " + "(" * 900, "not a requirement"),
        ("", "not a requirement"),
    ],
)
def test_a_pip_entry_that_is_no_plain_requirement_is_refused(written: str, why: str) -> None:
    (fault,) = faults(f"dependencies: [{{pip: [{written!r}]}}]")
    assert why in fault


def test_every_fault_is_told_at_once() -> None:
    told = faults("dependencies: [r-base, 'numpy=1=2', {pip: ['-e .', 7]}, 3]\nvariables: {A: b}")
    assert len(told) == 6


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1, 2", "not valid YAML"),
        ("- just a list", "mapping"),
        ("", "mapping"),
        ("name: x", "needs 'dependencies'"),
        ("dependencies: numpy", "needs 'dependencies'"),
        ("dependencies: []\nchannels: {a: b}", "'channels'"),
        ("dependencies: []\nfoo: 1", "'foo'"),
        ("dependencies: [{pip: joblib}]", "'pip' is a list"),
        ("dependencies: [\x00]", "not valid YAML"),
        ("dependencies: [!!python/object/apply:os.system ['true']]", "not valid YAML"),
        ("a: &a [1]\ndependencies: *a", "aliases"),
        ("[" * 100_000, "nested"),
        ("dependencies: [" + "a," * 20_000 + "]", "entries"),
        ("dependencies: [numpy] #" + "x" * 300_000, "bytes"),
        ("dependencies: ['\ud800']", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_conda_file_is_refused(text: str, why: str) -> None:
    assert why in faults(text)[0]


def test_thousands_of_faults_are_counted_not_listed() -> None:
    told = faults("dependencies: [" + "nonsense," * 2000 + "]")
    assert len(told) == 51
    assert told[-1] == "There are 1950 more faults."


def test_the_page_of_the_table_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / conda_packages.PAGE
    assert page.read_text(encoding="utf-8") == conda_packages.page(), (
        f"run: python -m domain.assets.conda_packages > {conda_packages.PAGE}"
    )


def test_no_package_is_both_translated_and_ignored() -> None:
    assert not set(conda_packages.PYPI) & set(conda_packages.IGNORED)
