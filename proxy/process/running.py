"""How a process that serves runs: on which loop, and with how much looking for garbage."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Final

_GC_THRESHOLD: Final = 50_000
"""Allocations between two looks for garbage: what a request makes is freed by counting references, so looking seldom is right."""


def settle_memory() -> None:
    """Tell the garbage collector of this process that what exists now stays. For a process that serves and does nothing else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 50)


def run(main: Coroutine[None, None, int]) -> int:
    """Run `main` on uvloop, or on asyncio's own loop where uvloop is not installed (it is not for every platform)."""
    try:
        import uvloop  # noqa: PLC0415 - optional by design
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
