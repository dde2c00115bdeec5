from pathlib import Path

import pytest

from domain.assets import conda, conda_packages
from domain.assets.packages.package_indexes import redacted
from domain.errors import Invalid
from domain.ports import EnvironmentSpec, PackageIndexes


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
        ("--pre", "options --index-url, --extra-index-url, --find-links and"),
        ("--trusted-host example.com", "options"),
        ("--index-url", "needs a URL"),
        ("--index-url ftp://example.com/simple", "https://"),
        ("--index-url https://example.com:65536/simple", "https://"),
        ("--index-url https://[::::]/simple", "https://"),
        ("--index-url=https://example.com/simple?token=x", "no query"),
        ("--find-links ./wheels", "https://"),
        ("--index-url https://example.com/team/../other", "https://"),
        ("--index-url https://example.com/team/%2E%2e/other", "https://"),
        ("--index-url https://a.example --index-url https://b.example", "one --index-url"),
        ("--extra-index-url https://${TOKEN}.example/simple", "variables"),
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


@pytest.mark.parametrize(
    ("written", "indexes"),
    [
        (["--index-url https://m.example/simple/"], PackageIndexes("https://m.example/simple")),
        (["-i 'https://m.example/a=b'"], PackageIndexes("https://m.example/a=b")),
        (
            ["--extra-index-url=https://a.example/cpu", "--extra-index-url https://b.example"],
            PackageIndexes(None, ("https://a.example/cpu", "https://b.example")),
        ),
        (
            ["--index-url https://m.example --find-links https://f.example/page.html"],
            PackageIndexes("https://m.example", (), ("https://f.example/page.html",)),
        ),
        (
            ["-f https://f.example", "-f https://f.example"],
            PackageIndexes(find_links=("https://f.example",)),
        ),
    ],
)
def test_pips_options_name_the_indexes(written: list[str], indexes: PackageIndexes) -> None:
    spec = conda.parse(f"dependencies: [{{pip: {[*written, 'joblib']!r}}}]")
    assert spec == EnvironmentSpec(conda.HOST_PYTHON, ("joblib",), indexes)


@pytest.mark.parametrize(
    "written",
    [
        "--index-url https://u:s3cr3t@example.com/simple",
        "--extra-index-url=https://s3cr3t@example.com/simple",
        "--find-links https://u:a/s3cr3t@example.com/simple",
        "--trusted-host https://u:s3cr3t@example.com",
        "x @ https://u:s3cr3t@example.com/x.whl",
        "git+https://u:s3cr3t@example.com/x",
        "https://u:p@s3cr3t@example.com/x.whl",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(written: str) -> None:
    (fault,) = faults(f"dependencies: [{{pip: [{written!r}]}}]")
    assert "s3cr3t" not in fault
    assert "***@" in fault
    if written.startswith(("--i", "--e", "--f")):
        assert "connection of category PythonFeed" in fault
    assert "s3cr3t" not in faults(f"dependencies: [{{pip: [{written}: {{]")[0]


def test_a_long_fault_costs_no_more_than_it_is_long() -> None:
    """Were each `//` looked at to the end, this would take minutes."""
    assert "@" not in redacted("/" * 250_000)
    (fault,) = faults(f"dependencies: [{'/' * 200_000}]")
    assert len(fault) < 200


def test_an_environment_names_no_more_than_ten_indexes() -> None:
    many = [f"--extra-index-url https://i{number}.example" for number in range(11)]
    (fault,) = faults(f"dependencies: [{{pip: {many!r}}}]")
    assert "at most 10" in fault


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
        ("dependencies: " + ":".join(["1"] * 100_000), "at most 64 characters"),
        ("dependencies: " + ":".join(["1"] * 1000) + ".5", "at most 64 characters"),
        ("dependencies: !!int " + ":".join(["1"] * 1000), "at most 64 characters"),
        ("dependencies: [0x" + "f" * 10_000 + "]", "at most 64 characters"),
        ("dependencies: [{pip: ['a; " + "(" * 300 + "']}]", "brackets"),
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


def test_old_compiled_packages_get_the_numpy_that_they_were_compiled_for() -> None:
    assert requirements("scikit-learn=1.2.2", "numpy") == (
        "scikit-learn==1.2.2.*",
        "numpy",
        "numpy<2",
    )


@pytest.mark.parametrize("option", ["--uploaded-prior-to 2022-12-01", "--exclude-newer=2022-12-01"])
def test_packages_may_be_those_of_a_date(option: str) -> None:
    spec = conda.parse(f"dependencies: [{{pip: ['{option}', pandas]}}]")
    assert (spec.requirements, spec.uploaded_before) == (("pandas",), "2022-12-01")
    with pytest.raises(Invalid, match="a date is written as 2024-01-31"):
        conda.parse("dependencies: [{pip: ['--uploaded-prior-to yesterday']}]")
