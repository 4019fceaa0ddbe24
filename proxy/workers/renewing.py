"""Another configuration for all processes: every worker makes ready for it, then one note in the journal puts it in force.

The journal gives all changes of knowledge one order. What stands before the note was learned under the old configuration, what stands
after it under the new one, in every process alike: each looks into the journal before it decides its next request. A worker that reads
the note of a configuration that it has not made ready for ends, and is replaced by one that begins with it.

What workers read is what the supervisor has read, byte for byte: files may have changed again in the meantime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from proxy.composition.preparing import Prepared
from proxy.settings import Copies, Disk, Loaded, Problem, Problems, collect
from proxy.workers.frames import pack_number, pack_records, unpack_number, unpack_records

PREPARE: Final = b"c"
"""The question whether a worker can work by another configuration: its number, then what it is made of."""
READY: Final = b"ready"
PATIENCE_S: Final = 30.0
"""How long a worker may take to make ready."""

Load = Callable[[Disk], Loaded | Problems]


class Ask(Protocol):
    """Asks all workers that serve."""

    def __call__(self, question: bytes, *, patience_s: float) -> Awaitable[Mapping[int, bytes]]:
        """Return the answers by worker; who has not answered in time is left out."""


def pack_files(disk: Disk) -> bytes:
    """Return the contents of files, as they were read."""
    records = (record for path, content in disk.contents.items() for record in (str(path).encode("utf-8", "surrogateescape"), content))
    return b"".join(pack_records(records))


def unpack_files(data: bytes) -> Copies:
    """Return what reads these contents; raise `FrameError`."""
    records: Iterator[bytes] = unpack_records(data)
    return Copies({Path(name.decode("utf-8", "surrogateescape")): content for name, content in zip(records, records, strict=True)})


def question(serial: int, files: bytes) -> bytes:
    """Return what a worker is asked."""
    return PREPARE + pack_number(serial, files)


async def ask_all(ask: Ask, serial: int, files: bytes, expected: int, new: Loaded) -> Problems | None:
    """Have all workers make ready; say what keeps one of them from it, or None."""
    answers = await ask(question(serial, files), patience_s=PATIENCE_S)
    refused = [f"worker {number}: {answer.decode()}" for number, answer in sorted(answers.items()) if answer != READY]
    if len(answers) < expected:
        refused.append(f"{expected - len(answers)} worker(s) did not make ready for it within {PATIENCE_S:g} s")
    if not refused:
        return None
    return collect([Problem(str(new.files[0]), new.position(()), "", text) for text in refused])


class _Waiting(NamedTuple):
    """A configuration that may be put in force, and its number."""

    serial: int
    prepared: Prepared


class Renewal:
    """A worker's side. `load` reads a configuration from what the supervisor has read, `prepare` makes ready for it.

    `adopt` puts it in force at once; `give_up` is told of one that will not be; `outdated` is called where one is in force for which
    this worker has not made ready.
    """

    def __init__(
        self,
        load: Load,
        prepare: Callable[[Loaded], Awaitable[Prepared | Problems]],
        adopt: Callable[[Prepared], None],
        give_up: Callable[[Prepared], Awaitable[None]],
        outdated: Callable[[], None],
    ) -> None:
        self._load = load
        self._prepare = prepare
        self._adopt = adopt
        self._give_up = give_up
        self._outdated = outdated
        self._serial = 0
        self._waiting: _Waiting | None = None

    async def make_ready(self, data: bytes) -> bytes:
        """Make ready for what is in a question, and answer it."""
        serial, files = unpack_number(data)
        before, self._waiting = self._waiting, None
        if before is not None:
            await self._give_up(before.prepared)
        loaded = await asyncio.to_thread(self._load, unpack_files(files))
        if isinstance(loaded, Problems):
            return _in_one_line(loaded)
        prepared = await self._prepare(loaded)
        if isinstance(prepared, Problems):
            return _in_one_line(prepared)
        self._waiting = _Waiting(serial, prepared)
        return READY

    async def begin(self, data: bytes) -> bool:
        """Begin with a configuration that is in force already; say whether that was possible."""
        if await self.make_ready(data) != READY:
            return False
        self.heard(pack_number(unpack_number(data)[0]))
        return True

    def heard(self, data: bytes) -> None:
        """Hear which configuration is in force from now on."""
        serial, _ = unpack_number(data)
        waiting = self._waiting
        if serial == self._serial:
            return
        if waiting is None or waiting.serial != serial:
            self._outdated()
            return
        self._serial, self._waiting = serial, None
        self._adopt(waiting.prepared)


def _in_one_line(problems: Problems) -> bytes:
    return "; ".join(map(str, problems)).encode()
