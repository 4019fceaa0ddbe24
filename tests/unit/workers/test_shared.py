from __future__ import annotations

import pytest

from proxy.settings import LimitSettings
from proxy.workers.shared import divided


@pytest.mark.parametrize(("workers", "connections", "in_flight"), [(1, 10, 3), (2, 5, 2), (3, 4, 1), (64, 1, 1)])
def test_totals_are_divided_rounding_up(workers: int, connections: int, in_flight: int) -> None:
    share = divided(LimitSettings(max_connections=10, max_in_flight=3, max_queued=0, max_known_tokens=7), workers)
    assert (share.max_connections, share.max_in_flight, share.max_queued, share.max_known_tokens) == (connections, in_flight, 0, 7)
