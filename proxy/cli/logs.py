"""The program's own log: plain lines on standard error. Nothing of a request gets into it, not even through an exception's text."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s%(told)s: %(message)s"

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class PlainFormatter(logging.Formatter):
    """Formats one line per record; an exception is shown as its type and place.

    Each line names the process, where there are several, and the `revision` of the configuration in force, once there is one.
    """

    def __init__(self, process: str = "") -> None:
        super().__init__(_FORMAT)
        self._process = f" {process}" if process else ""
        self.revision = ""

    def name(self, revision: str) -> None:
        """Name this revision from now on."""
        self.revision = revision

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in logging
        """Return the line without what is below it."""
        record.told = self._process + (f" [{self.revision}]" if self.revision else "")
        return super().formatMessage(record)

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - the name in logging
        """Return the type and the place of an exception."""
        return "" if ei[1] is None else f"{type(ei[1]).__name__} in {place_of(ei[1])}"

    def formatStack(self, stack_info: str) -> str:  # noqa: ARG002, N802 - the signature in logging
        """Return nothing: a stack shows source lines, not what went wrong."""
        return ""


def start_logging(process: str = "") -> PlainFormatter:
    """Send the log of every library to standard error; `process` says which of several it comes from. Return what formats its lines."""
    handler, formatter = logging.StreamHandler(sys.stderr), PlainFormatter(process)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=bool(process))
    return formatter


def report_bugs(loop: asyncio.AbstractEventLoop, note: Callable[[BaseException], None]) -> None:
    """Let `note` hear of exceptions nobody caught: the loop's own report shows arguments, which are parts of requests."""

    def report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        bug = context.get("exception")
        if isinstance(bug, BaseException):
            note(bug)
        else:
            logging.getLogger("scopegate").error("the event loop complains about %s", ", ".join(sorted(context)))

    loop.set_exception_handler(report)


def place_of(error: BaseException) -> str:
    """Return the last of our own lines that an exception passed through, or its first line where none is ours."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in frames if frame.f_globals.get("__name__", "").startswith("proxy.")]
    for frame, line in (own or frames)[-1:]:
        return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}:{line}"
    return "an unknown place"
