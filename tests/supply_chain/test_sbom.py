import json
import re
from pathlib import Path

from supply_chain import sbom
from tests.kit.real_app import ROOT


def test_the_bill_of_materials_is_the_same_for_the_same_lock(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert sbom.main([str(tmp_path / name)]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    made = json.loads((tmp_path / "a").read_bytes())
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["serialNumber"])
    assert made["metadata"]["component"]["licenses"] == [{"expression": "MIT"}]

    installed = re.findall(r"^([^ =]+)==([^ ]+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert {(c["name"], c["version"]) for c in made["components"]} == set(installed)
    for component in made["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert component["licenses"][0]["expression"], component["name"]
        files = component["externalReferences"]
        assert all(file["hashes"][0]["alg"] == "SHA-256" for file in files)
    known = {component["bom-ref"] for component in made["components"]}
    root = made["metadata"]["component"]["bom-ref"]
    assert {each["ref"] for each in made["dependencies"]} == known | {root}
