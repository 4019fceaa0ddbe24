"""Compare the pinned requirements with the database of known vulnerabilities (`make audit`).

Exit codes: 0 every package was looked up and none is known to be vulnerable, 1 some are, 3 at least one could not be looked up.
pip-audit alone ends with 0 where it could look up nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FINE, VULNERABLE, UNKNOWN = 0, 1, 3
TIMEOUT_S = 300
NAMED = 5
NO_ANSWER = "this says nothing about them. Can the database of vulnerabilities be reached from here?"


def main(files: Sequence[str]) -> int:
    """Look up what each file pins, and print what is to be done."""
    codes = []
    for file in files:
        told, code = judge(ask(file))
        codes.append(code)
        for line in told:
            print(f"{file}: {line}")
    return VULNERABLE if VULNERABLE in codes else max(codes, default=UNKNOWN)


def ask(file: str) -> Mapping[str, Any] | None:
    """Return the report of pip-audit about a requirements file; None where there is none."""
    pip_audit = str(Path(sys.executable).parent / "pip-audit")
    options = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--aliases", "on")
    try:
        finished = subprocess.run([pip_audit, *options, "-r", file], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        report = json.loads(finished.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return report if isinstance(report, dict) else None


def judge(report: Mapping[str, Any] | None) -> tuple[list[str], int]:
    """Return what a report says, line by line, and the exit code."""
    packages = [] if report is None else report.get("dependencies", [])
    if not packages:
        return [f"NOT CHECKED: no package could be looked up; {NO_ANSWER}"], UNKNOWN
    skipped = sorted(package["name"] for package in packages if "skip_reason" in package)
    lines = [finding for package in packages for finding in _findings(package)]
    if skipped:
        some = ", ".join(skipped[:NAMED]) + ("…" if len(skipped) > NAMED else "")
        lines.append(f"NOT CHECKED: {len(skipped)} of {len(packages)} packages could not be looked up ({some}); {NO_ANSWER}")
    if not lines:
        return [f"{len(packages)} packages, no known vulnerability"], FINE
    return lines, UNKNOWN if len(lines) == 1 and skipped else VULNERABLE


def _findings(package: Mapping[str, Any]) -> list[str]:
    return [
        f"VULNERABLE: {package['name']} {package['version']}: {', '.join([found['id'], *found.get('aliases', [])])};"
        f" fixed in {', '.join(found.get('fix_versions', [])) or 'no version yet'}"
        for found in package.get("vulns", [])
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
