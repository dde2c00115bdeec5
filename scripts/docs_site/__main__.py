"""`python -m scripts.docs_site OUT`: builds the documentation's site into a folder."""

import sys
import time
from pathlib import Path

from scripts.docs_site.building import Faults, build
from scripts.docs_site.reference.pages import generated, openapi_document

ROOT = Path(__file__).parents[2]


def main(out: str) -> int:
    began = time.monotonic()
    try:
        pages = build(ROOT, generated(ROOT, openapi_document()), Path(out).absolute())
    except Faults as faults:
        print(faults, file=sys.stderr)
        return 1
    print(f"{out}/index.html: {pages} pages in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["dist/site"]))
