"""What a connection needs of the house, as one value that is swapped as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.decision.closing import Closer
from proxy.decision.gate import Gate
from proxy.wire.channel import Channel
from proxy.wire.limits import Limits
from proxy.wire.rewriting import Rewrites


@dataclass(frozen=True, slots=True)
class Service:
    """The gate, what closes requests, and the ways to the vendors. A request keeps the service it began with.

    `now` tells exact seconds, for what is measured; `time`, the loop's own, is cheaper and coarser, for what is timed out.
    """

    loop: asyncio.AbstractEventLoop
    time: Callable[[], float]
    now: Callable[[], float]
    gate: Gate
    closer: Closer
    channels: Mapping[str, Channel]
    limits: Limits
    rewrites: Rewrites
