"""Moments that outlive a process: how a moment of an earlier run's clock is told on this run's. Pure.

Entries end on a clock that never jumps, and its zero differs from boot to boot. Each run writes down what both of its clocks said
at its newest writing; how much time has passed since then decides how much life an entry has left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Anchor(NamedTuple):
    """What a run's two clocks said at one moment: `now` never jumps within a boot, `wall` is seconds since the epoch."""

    now: float
    wall: float


def passed(there: Anchor, here: Anchor) -> float | None:
    """Return the seconds between two anchors, or None where the wall clock went backwards and nobody can tell.

    The larger difference counts. Within one boot the steady clock is right, however the wall clock was set in the meantime. After
    a reboot it started anew, so its difference is less than the time that passed: it never makes an entry live longer.
    """
    if here.wall < there.wall:
        return None
    return max(here.wall - there.wall, here.now - there.now)


def shift(there: Anchor, here: Anchor) -> float | None:
    """Return what to add to a moment of the run that left `there` to tell it on the clock of `here`; None: nobody can tell."""
    gone = passed(there, here)
    return None if gone is None else here.now - there.now - gone


def shifts(anchors: Iterable[tuple[int, Anchor]], here: Anchor) -> dict[int, float]:
    """Return the shift of each run by its number; none at all where the wall clock is behind any of them.

    A clock that is behind one run may have been set back after an older run too, although it is ahead of that one.
    """
    found = {run: shift(there, here) for run, there in anchors}
    known = {run: value for run, value in found.items() if value is not None}
    return known if len(known) == len(found) else {}
