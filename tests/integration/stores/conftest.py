from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.stores.store_samples import Disk


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "state" / "scopegate.db")
