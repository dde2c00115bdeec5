"""deploy/kubernetes, as it is written."""

from pathlib import Path
from typing import Any

import yaml

BASE = Path(__file__).parents[3] / "deploy" / "kubernetes"


def objects(folder: Path = BASE) -> list[dict[str, Any]]:
    found = []
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        place = folder / name
        if place.is_dir():
            found += objects(place)
        else:
            found += list(yaml.safe_load_all(place.read_text()))
    return found


def of(kind: str) -> dict[str, Any]:
    [found] = [each for each in objects() if each["kind"] == kind]
    return found
