from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli.conftest import configured, vendor
from tests.integration.service.handing import CONFIGURATION

__all__ = ["configured", "vendor"]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "scopegate.yaml"
    file.write_text(CONFIGURATION)
    return file
