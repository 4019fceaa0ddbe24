from __future__ import annotations

from pathlib import Path

import pytest

from proxy.settings import LimitSettings, Loaded, parse_settings
from proxy.workers.shared import divided, share_of


@pytest.mark.parametrize(("workers", "connections", "in_flight"), [(1, 10, 3), (2, 5, 2), (3, 4, 1), (64, 1, 1)])
def test_totals_are_divided_rounding_up(workers: int, connections: int, in_flight: int) -> None:
    share = divided(LimitSettings(max_connections=10, max_in_flight=3, max_queued=0, max_known_tokens=7), workers)
    assert (share.max_connections, share.max_in_flight, share.max_queued, share.max_known_tokens) == (connections, in_flight, 0, 7)


def test_denials_that_may_be_sent_through_are_divided_too() -> None:
    text = b"""
workers: 4
vendors:
  sampled: {kind: ringcentral, mount: {path: /a}, upstream: 'https://a.example', verify_denials: {rate: 0.5, per_minute: 2}}
  plain: {kind: ringcentral, mount: {path: /b}, upstream: 'https://b.example'}
"""
    loaded = parse_settings(text, {}, file=Path("scopegate.yaml"))
    assert isinstance(loaded, Loaded), str(loaded)
    vendors = share_of(loaded).settings.vendors
    sample = vendors["sampled"].verify_denials
    assert sample is not None
    assert (sample.rate, sample.per_minute) == (0.5, 0.5)
    assert vendors["plain"].verify_denials is None
