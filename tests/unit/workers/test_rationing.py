"""However requests are spread over processes, they may do together what one process may do alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.evidence.sampling import DenialSample
from proxy.knowledge.discovery import Schedule
from proxy.workers.rationing import Rations
from tests.gates import HandClock
from tests.unit.workers.test_spreading import Process, processes

FINGERPRINTS = [bytes([number]) * 16 for number in range(9)]
who, later = st.integers(0, 2), st.sampled_from([0.0, 0.5, 7.0, 20.0, 400.0])
asking = st.tuples(who, later, st.one_of(st.sampled_from(FINGERPRINTS), st.floats(1, 100)))


def schedule_of(process: Process) -> Schedule:
    schedule = Rations(process.spreading).schedule("acme")
    schedule.lifetime = 300.0
    return schedule


@given(st.integers(0, 30), st.lists(asking, max_size=40))
def test_the_vendor_is_asked_as_if_by_one_process(replaced_at: int, steps: list[tuple[int, float, bytes | float]]) -> None:
    """Worker 0 is replaced on the way; nobody asks the last process anything, which tells the new one what to know."""
    *workers, replacement, home = processes(5)
    schedules = [schedule_of(process) for process in workers]
    schedule_of(home)
    alone, now = Schedule(300.0), 1.0
    for number, (worker, seconds, what) in enumerate(steps):
        now += seconds
        if number == replaced_at:
            schedules[0] = schedule_of(replacement)
            place, records = home.spreading.everything()
            replacement.spreading.begin(place, list(records))
        if isinstance(what, float):
            schedules[worker].pause(now, what)
            alone.pause(now, what)
        else:
            assert schedules[worker].take(what, now) == alone.take(what, now)


@given(st.sampled_from([0.25, 1.0, 2.5]), st.lists(st.tuples(who, later), max_size=40))
def test_denials_are_sent_through_as_if_by_one_process(per_minute: float, steps: list[tuple[int, float]]) -> None:
    clock = HandClock()
    samples = [Rations(process.spreading).sample("acme", 1.0, per_minute, clock.now, lambda: 0.0) for process in processes(3)]
    alone = DenialSample(1.0, per_minute, clock.now, lambda: 0.0)
    for worker, seconds in steps:
        clock.moved += seconds
        assert samples[worker].take() == alone.take()
