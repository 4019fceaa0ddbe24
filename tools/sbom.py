"""Write the software bill of materials of what runs (`make sbom`): CycloneDX JSON, the same bytes for the same requirements.

cyclonedx-py lists packages, versions and hashes. Two things it cannot see in a requirements file are added here: the version of
the product itself, and which package is needed by which (the notes `# via` that uv leaves behind each pin).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = "scopegate"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==\S+", re.MULTILINE)
_VIA = re.compile(r"^ +# +(?:via *)?([A-Za-z0-9._-]+)?", re.MULTILINE)


def main(requirements: str, output: str) -> int:
    """Write the bill of what `requirements` pins."""
    tool = str(Path(sys.executable).parent / "cyclonedx-py")
    options = ("requirements", requirements, "--pyproject", "pyproject.toml", "--output-reproducible", "--sv", "1.6", "--of", "JSON")
    finished = subprocess.run([tool, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode:
        print(finished.stderr, file=sys.stderr)
        return 1
    bill = completed(json.loads(finished.stdout), (ROOT / requirements).read_text(encoding="utf-8"), version())
    target = ROOT / output
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{output}: {len(bill['components'])} components of {PRODUCT} {version()}")
    return 0


def version() -> str:
    """Return the version of the product, without importing it."""
    found = re.search(r'__version__ = "([^"]+)"', (ROOT / "proxy/__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("proxy/__init__.py tells no version")
    return found[1]


def completed(bill: dict[str, Any], requirements: str, product_version: str) -> dict[str, Any]:
    """Return the bill with the product's version and with who needs what; each package is called by its package URL."""
    names = {component["bom-ref"]: component["purl"] for component in bill["components"]}
    product = f"pkg:generic/{PRODUCT}@{product_version}"
    by_name = {component["name"]: component["purl"] for component in bill["components"]} | {PRODUCT: product}
    for component in bill["components"]:
        component["bom-ref"] = names[component["bom-ref"]]
        component.pop("description", None)  # it repeats the line of the file
    bill["components"].sort(key=lambda component: str(component["bom-ref"]))
    bill["metadata"]["component"] |= {"bom-ref": product, "version": product_version}
    needs: dict[str, set[str]] = {purl: set() for purl in by_name.values()}
    for name, by in needed_by(requirements).items():
        for one in by & by_name.keys():
            needs[by_name[one]].add(by_name[name])
    bill["dependencies"] = [{"ref": ref, **({"dependsOn": sorted(on)} if on else {})} for ref, on in sorted(needs.items())]
    return bill


def needed_by(requirements: str) -> Mapping[str, set[str]]:
    """Return for each pinned package the names of those that need it."""
    pins = list(_PIN.finditer(requirements))
    ends = [pin.start() for pin in pins[1:]] + [len(requirements)]
    return {pin[1]: {via for via in _VIA.findall(requirements[pin.end() : end]) if via} for pin, end in zip(pins, ends, strict=True)}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
