"""A few minutes at a made-up site: calls that come and go, a vendor in trouble, and an app that is given the scope it lacked."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import Final

from proxy.simulators.messages import json_reply
from tests.integration.monitoring.site import ARCHIVER, CALL_LOG, Site, key

_TICK_S: Final = 0.25
_TROUBLE: Final = (0.30, 0.45)
_GRANTED: Final = 0.65


async def drive(site: Site, seconds: float) -> None:
    """Let the apps call for so long. One request at a time, so that each simulated trouble meets the call it is meant for."""
    dice, began = random.Random(7), time.monotonic()
    token = await site.log_in(ARCHIVER, "ringcentral", "demo-archiver")
    while (passed := (time.monotonic() - began) / seconds) < 1:
        if passed > _GRANTED and site.login == "demo-reader":
            site.login = "demo-archiver"
            await site.reconfigure()
        for _ in range(round(5 + 4 * math.sin(passed * 7) + dice.random() * 2)):
            await site.house.send("GET", f"/ringcentral{CALL_LOG}", token, key(ARCHIVER))
        if _TROUBLE[0] < passed < _TROUBLE[1]:
            site.ringcentral.reply_next(json_reply(503, {"message": "simulated trouble"}))
            await site.house.send("GET", f"/ringcentral{CALL_LOG}", token, key(ARCHIVER))
        await _apps(site, dice)
        await asyncio.sleep(_TICK_S)


async def _apps(site: Site, dice: random.Random) -> None:
    for chance, call in (
        (0.35, site.call_ringcentral),
        (0.30, site.call_others),
        (0.20, site.call_trial),
        (0.10, site.send_nonsense),
        (0.30, site.call_workers),
    ):
        if dice.random() < chance:
            await call()
