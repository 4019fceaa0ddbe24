from __future__ import annotations

from pathlib import Path

import pytest

from proxy.credentials import Secret
from tests.integration.audit.audit_samples import Log


@pytest.fixture(params=[None, Secret(b"k" * 32)], ids=["plain", "keyed"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    return Log(tmp_path / "state" / "audit.jsonl", request.param)
