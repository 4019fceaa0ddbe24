"""The Node clients, installed once from their lock file into a folder that git ignores."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """Return the folder of the scripts; skip where node or npm is missing, but never in CI."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip(f"missing: {', '.join(missing)} (Debian: nodejs, npm)")
    assert not missing, f"missing: {', '.join(missing)} (Debian: nodejs, npm)"
    lock = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()
    stamp = NODE / "node_modules" / ".installed-from"
    if not stamp.is_file() or stamp.read_text() != lock:
        done = subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=NODE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_text(lock)
    return NODE
