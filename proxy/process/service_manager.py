"""What the service manager is told about this process: one datagram per message, in the words of sd_notify(3)."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Final

_SEND_S: Final = 0.25
"""How long a message may wait for its reader: it is the first process of the machine, and a lost READY would get this one killed."""
_MAX_STATUS: Final = 500
_MARGIN_S: Final = 10.0
"""How much longer than the grace it may take to end: cut connections are told, the stores are closed."""

log = logging.getLogger("scopegate")


def notification(**members: str | int) -> bytes:
    """Return a message: a line per member, named in capitals. A line break in a text cannot begin a member of its own."""
    lines = (f"{name.upper()}={' '.join(str(value).split())[:_MAX_STATUS]}" for name, value in members.items())
    return "\n".join(lines).encode("utf-8", "backslashreplace")


class ServiceManager:
    """Whoever started this process and wants to hear of it: systemd, as a rule. Without an `address` nobody is told anything.

    `watchdog_s`: within how many seconds a sign of life is expected (0: none is). `now`: the machine's monotonic clock, in seconds.
    """

    def __init__(self, address: str = "", watchdog_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._now = now
        self._timer: asyncio.TimerHandle | None = None
        self._unheard = False

    def ready(self, status: str) -> None:
        """Everything serves: after the start, and again after a reload, whether it was taken over or refused."""
        self._tell(notification(ready=1, status=status))

    def reloading(self, status: str = "reloading the configuration") -> None:
        """A reload begins; `ready` must follow (sd_notify(3), RELOADING=1: systemd 253 asks for the time too)."""
        self._tell(notification(reloading=1, monotonic_usec=int(self._now() * 1e6), status=status))

    def stopping(self, grace_s: float, status: str) -> None:
        """The end begins, and takes `grace_s` seconds and a little at most, whatever the unit's own patience is."""
        self._tell(notification(stopping=1, extend_timeout_usec=int((grace_s + _MARGIN_S) * 1e6), status=status))

    def status(self, text: str) -> None:
        """Say in words what goes on; `systemctl status` shows it."""
        self._tell(notification(status=text))

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give a sign of life twice in the time allowed, for as long as `loop` turns."""
        if self._watchdog_s > 0:
            self._tell(notification(watchdog=1))
            self._timer = loop.call_later(self._watchdog_s / 2, self.watch, loop)

    def close(self) -> None:
        """Give no more signs of life."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self, message: bytes) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(_SEND_S)
                line.sendto(message, self._address)
            self._unheard = False
        except OSError as error:
            if not self._unheard:
                log.warning("the service manager does not hear this process: %s", error.strerror or type(error).__name__)
            self._unheard = True


def take_service_manager(environment: MutableMapping[str, str], process: int) -> ServiceManager:
    """Return who is to be told about the process with number `process`, and take its variables out of `environment`.

    What is started from here must not speak for us. Variables: sd_notify(3), sd_watchdog_enabled(3).
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    patience, meant = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
    if not address.startswith(("/", "@")) or len(address) < 2:
        return ServiceManager()
    is_ours = meant in ("", str(process)) and patience.isdecimal()
    return ServiceManager(address, int(patience) / 1e6 if is_ours else 0.0)
