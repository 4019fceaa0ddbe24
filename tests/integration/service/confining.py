"""Programs of the system that the tests of units and images need, and commands that run confined by them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
CONFINEMENT: Final = ROOT / "tests" / "fakes" / "confinement.py"


def program(name: str, package: str) -> str:
    """Return where a program of the system is; outside CI it may be missing, and the test is skipped aloud."""
    found = shutil.which(name)
    if found is None and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip(f"{name} is missing (Debian: {package})")
    assert found is not None, f"{name} is missing (Debian: {package})"
    return found


def confined(*, visible: Sequence[Path] = (), writable: Sequence[Path] = (), unit: Path | None = None) -> tuple[str, ...]:
    """Return the beginning of a command line that runs the rest as nobody, in a read-only tree; `unit` restricts system calls too."""
    unshare = program("unshare", "util-linux")
    if os.geteuid() != 0:
        assert not os.environ.get("SCOPEGATE_CI"), "only root can confine a process"
        pytest.skip("only root can confine a process")
    seen = [ROOT, Path(sys.prefix), Path(sys.base_prefix), *visible, *writable]
    options = [*(f"--visible={path}" for path in seen), *(f"--writable={path}" for path in writable)]
    return (unshare, "--mount", sys.executable, str(CONFINEMENT), *options, *([f"--unit={unit}"] if unit else []), "--")
