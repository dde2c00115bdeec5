"""`python -m tests.e2e.examples.page` writes docs/azure-ml-examples.md from the catalogue."""

from pathlib import Path
from typing import Final

from tests.e2e.examples.catalogue import EXAMPLES, Example
from tests.e2e.examples.shell_scripts import SCRIPTS, ShellScript

PAGE: Final = Path(__file__).parents[3] / "docs" / "azure-ml-examples.md"

_HEAD: Final = """\
# Microsoft's examples

Written by `python -m tests.e2e.examples.page`; do not edit it by hand.

The deployment files of `cli/endpoints` in Azure/azureml-examples (085cd6e), as they stand, by
`mle` with the verbs and words of the shell script beside each. `tests/e2e/examples` does it where
the files are in `../shared/examples` and `EXAMPLES_TESTS=1` asks for it, as in CI; `=all` also
builds environments of hundreds of megabytes. With `SDK_TESTS=1` those that answer are
deployed and asked once more by `azure-ai-ml`, unmodified. Scripts are the tests' own, of the same
contract; with `AZUREML_EXAMPLES=/path/to/a/checkout` Microsoft's run.

Conda files there pin Python 3.8 to 3.12: the host fetches what its machine has not, or takes the
nearest (`ML_ENDPOINTS_PYTHON_PINS=nearest`), as these tests do.

"""


_SCRIPTS: Final = """\
The scripts of `cli` beside them, byte for byte, with an `az` that `mle az-shim --install` wrote
first on `PATH` and `CURL_CA_BUNDLE` naming the host's CA. CI runs scripts of the tests' own that
give the same commands; with `AZUREML_EXAMPLES` Microsoft's run."""


def page() -> str:
    answering = [each for each in EXAMPLES if not each.refused and not each.elsewhere]
    refused = [each for each in EXAMPLES if each.refused]
    elsewhere = [each for each in EXAMPLES if each.elsewhere]
    told = f"Of {len(EXAMPLES)} files {len(answering)} are deployed and answer their sample request"
    return "\n".join(
        [
            _HEAD
            + f"{told}, {len(refused)} are refused with a sentence that says why, and "
            + f"{len(elsewhere)} need what no test here has.",
            "",
            "## Deployed, and answer",
            "",
            "| file | Python at most | |",
            "|---|---|---|",
            *(_row(each, _newest(each), "large" if each.large else "") for each in answering),
            "",
            "## Refused",
            "",
            "| file | what is said |",
            "|---|---|",
            *(_row(each, each.refused) for each in refused),
            "",
            "## Not tried by a test",
            "",
            "| file | why |",
            "|---|---|",
            *(_row(each, each.elsewhere) for each in elsewhere),
            "",
            "## Shell scripts",
            "",
            _SCRIPTS,
            "",
            "| script | |",
            "|---|---|",
            *(f"| `{each.name}.sh` | {_becomes(each)} |" for each in SCRIPTS),
            "",
        ]
    )


def _becomes(script: ShellScript) -> str:
    if script.elsewhere:
        return f"not run: {script.elsewhere}"
    return f"ends at `{script.stops}`, refused by name" if script.stops else "runs to its end"


def _newest(example: Example) -> str:
    return ".".join(map(str, example.python)) if example.python is not None else ""


def _row(example: Example, *cells: str) -> str:
    return "| " + " | ".join([f"`{example.file}`", *cells]) + " |"


if __name__ == "__main__":
    PAGE.write_text(page())
