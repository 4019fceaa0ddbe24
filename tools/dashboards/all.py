"""All dashboards."""

from __future__ import annotations

from typing import Final

from tools.dashboards.accuracy import PREDICTION
from tools.dashboards.client import CLIENT
from tools.dashboards.operations import OPERATIONS
from tools.dashboards.privileges import PRIVILEGES

DASHBOARDS: Final = (OPERATIONS, CLIENT, PRIVILEGES, PREDICTION)
