"""`python -m supply_chain.sbom FILE`: writes the bill of materials (CycloneDX 1.5, JSON): every
package that the application runs on, with version, licence, files and their digests, and what
needs what. The same lock gives the same file, to the byte."""

import hashlib
import json
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from supply_chain.components import ROOT, bill
from supply_chain.licences import licence_of


def made(folder: Path = ROOT) -> dict[str, Any]:
    """uv's, with licences, and without what differs between two runs."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    materials = bill(folder)
    materials["metadata"].pop("timestamp", None)
    materials["metadata"]["component"]["licenses"] = [{"expression": project["license"]}]
    for component in materials["components"]:
        expression = licence_of(component["name"]).expression
        if expression is not None:
            component["licenses"] = [{"expression": expression}]
    lock = hashlib.sha256((folder / "uv.lock").read_bytes()).digest()
    materials["serialNumber"] = uuid.UUID(bytes=lock[:16], version=4).urn
    return materials


def main(arguments: list[str]) -> int:
    [file] = arguments
    text = json.dumps(made(), indent=2, sort_keys=True)
    Path(file).write_text(f"{text}\n")
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
