"""Waiting for something that only asking again can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_S: Final = 8.0
"""How long a test waits for anything before it fails."""


async def eventually(holds: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as `holds` says so; raise TimeoutError when patience ends."""
    async with asyncio.timeout(patience_s):
        while not await holds():  # noqa: ASYNC110 - the state is in another program as far as the test knows
            await asyncio.sleep(0.005)
