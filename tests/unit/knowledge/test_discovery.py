from __future__ import annotations

from proxy.credentials import Fingerprinter, Secret
from proxy.knowledge.discovery import BURST, MAX_PAUSE_S, RATE_LIMITED, Schedule

FINGERPRINTER = Fingerprinter(Secret(b"k" * 32))
TOKENS = [FINGERPRINTER("rc", Secret(f"token{number}")) for number in range(20)]


def test_each_token_is_asked_about_once_in_its_time() -> None:
    schedule = Schedule(900.0)
    assert [schedule.take(TOKENS[0], now) for now in (1.0, 1.0, 900.9, 901.0, 901.0)] == [True, False, False, True, False]
    assert schedule.counts[RATE_LIMITED] == 0


def test_not_many_are_asked_about_in_a_short_time() -> None:
    schedule = Schedule(900.0)
    assert [schedule.take(token, 1.0) for token in TOKENS].count(True) == BURST
    assert schedule.counts[RATE_LIMITED] == len(TOKENS) - BURST
    assert [schedule.take(token, 14.0) for token in TOKENS[BURST:]].count(True) == 1  # one more every twelve seconds
    assert [schedule.take(token, 10_000.0) for token in TOKENS].count(True) == BURST


def test_what_was_put_off_may_be_asked_later() -> None:
    schedule = Schedule(900.0)
    taken = [token for token in TOKENS if schedule.take(token, 1.0)]
    later = next(token for token in TOKENS if token not in taken)
    assert schedule.take(later, 100.0)


def test_a_vendor_that_complains_is_left_alone() -> None:
    schedule = Schedule(900.0)
    schedule.pause(1.0, 60.0)
    assert [schedule.take(TOKENS[0], now) for now in (1.0, 60.9, 61.0)] == [False, False, True]
    schedule.pause(100.0, 1e9)
    assert [schedule.take(TOKENS[1], now) for now in (99.0 + MAX_PAUSE_S, 100.0 + MAX_PAUSE_S)] == [False, True]


def test_memory_is_bounded() -> None:
    schedule = Schedule(900.0, limit=2)
    for token in TOKENS[:3]:
        assert schedule.take(token, 1.0)
    assert schedule.take(TOKENS[0], 1.0)  # forgotten, so it is asked about again
    assert not schedule.take(TOKENS[2], 1.0)
