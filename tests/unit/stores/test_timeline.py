from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.stores.timeline import Anchor, passed, shift, shifts

WRITTEN = Anchor(now=500.0, wall=10_000.0)
TOKEN_ENDS = 600.0
"""100 seconds after `WRITTEN`, on that run's clock."""


def ends(here: Anchor) -> float | None:
    """When the token ends, as the new run's clock tells it."""
    moved = shift(WRITTEN, here)
    return None if moved is None else TOKEN_ENDS + moved


def test_a_restart_within_one_boot_changes_no_moment() -> None:
    assert ends(Anchor(540.0, 10_040.0)) == TOKEN_ENDS


def test_after_a_reboot_the_wall_clock_counts() -> None:
    assert ends(Anchor(3.0, 10_040.0)) == 3.0 + 60.0


def test_a_wall_clock_that_was_set_back_gives_no_life_to_an_ended_token() -> None:
    assert ends(Anchor(650.0, 10_001.0)) == TOKEN_ENDS  # 150 s have passed, whatever the wall clock says: it has ended


def test_a_wall_clock_that_was_set_forward_ends_tokens_early() -> None:
    assert ends(Anchor(501.0, 20_000.0)) == 501.0 + 100.0 - 10_000.0


def test_a_wall_clock_before_the_newest_writing_tells_nothing() -> None:
    assert ends(Anchor(3.0, 9_999.9)) is None
    assert ends(Anchor(700.0, 9_999.9)) is None


def test_one_run_ahead_of_the_clock_spoils_them_all() -> None:
    older, newer = Anchor(1.0, 5_000.0), Anchor(1.0, 20_000.0)
    assert shifts([(1, older), (2, newer)], Anchor(2.0, 10_000.0)) == {}
    assert shifts([(1, older)], Anchor(2.0, 10_000.0)) == {1: 2.0 - 1.0 - 5_000.0}


seconds = st.floats(0, 1e6)


@given(start=seconds, down=seconds, uptime=st.none() | seconds, step=st.floats(-1e6, 1e6))
def test_no_token_outlives_its_end(start: float, down: float, uptime: float | None, step: float) -> None:
    """Whatever the wall clock was set to: within a boot never, after one never when it was not set back."""
    there = Anchor(start, 1e9)
    here = Anchor(start + down if uptime is None else min(uptime, down), 1e9 + down + step)
    counted = passed(there, here)
    if counted is not None and (uptime is None or step >= 0):
        assert counted >= down - 1e-3
