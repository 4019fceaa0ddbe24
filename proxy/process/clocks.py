"""The two clocks of the house, read in one place so that everything else can be handed its time."""

from __future__ import annotations

import time


class SystemClocks:
    """`now`: seconds of a clock that never jumps, for life times. `wall`: seconds since the epoch, for people."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
