"""Exceptions that are the proxy's own fault: counted, and logged without a word of theirs."""

from __future__ import annotations

import logging

from proxy.telemetry.labels import Reading

log = logging.getLogger("scopegate")


class Bugs:
    """Hears of every exception that nobody expected."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, bug: BaseException) -> None:
        """Count an exception that is ours, and log where it happened: its place, never its text, which may quote a request."""
        self._count += 1
        origin = bug.__context__ or bug
        place = origin.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else "unknown place"
        log.error("internal error: %s in %s", type(origin).__name__, where)

    def readings(self) -> tuple[Reading, ...]:
        """Return how many there were."""
        text = "Exceptions that are the proxy's own fault."
        return (Reading("scopegate_bugs_total", text, lambda: {(): self._count}, counter=True),)
