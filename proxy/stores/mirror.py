"""The disk's side of the store: opens the file, takes over what it holds, writes batches. Used by one thread."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from proxy.stores.keys import KeyFile, Keys
from proxy.stores.loading import LOADING_REASONS, Decoder, Expected, Loading, Remembered, sealed_place
from proxy.stores.pending import Batch, Place, Value
from proxy.stores.sqlite import CorruptError, Database, NewRow, Writing, move_aside
from proxy.stores.timeline import Anchor, shifts

MAX_VALUE_BYTES: Final = 1_048_576
HEARTBEAT_S: Final = 60.0
"""How often the clocks are written down and ended rows are taken away, however quiet it is."""
UNENCODABLE: Final = "unencodable"
TOO_LARGE: Final = "too_large"
NO_SPACE: Final = "max_bytes"
ENDED: Final = "ended"
DROP_REASONS: Final = (*LOADING_REASONS, UNENCODABLE, TOO_LARGE, NO_SPACE, ENDED)
_CHUNK: Final = 1000

log = logging.getLogger("scopegate")


class Mirror:
    """The file at `path`, opened when it is first needed. Errors of the disk are the caller's; what is not stored is in `dropped`.

    `clocks` returns what both clocks say, `decoders` read evidence by kind. Nothing is taken over of vendors that are not `expected`.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        keys: Keys,
        key_file: KeyFile | None,
        expected: Mapping[str, Expected],
        clocks: Callable[[], Anchor],
        decoders: Mapping[str, Decoder],
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keys = keys
        self._key_file = key_file
        self._expected = expected
        self._clocks = clocks
        self._decoders = decoders
        self._run = secrets.randbits(62)
        self._shifts: Mapping[int, float] = {}
        self._database: Database | None = None
        self._damaged = False
        self._first: list[Batch] = []
        self._beat_at = 0.0
        self.dropped: Counter[str] = Counter()
        self.rows: Mapping[str, int] = {}
        self.used_bytes = 0

    # --- opening

    def load(self) -> Mapping[str, Remembered]:
        """Return what earlier runs knew, by vendor; what cannot be trusted is taken away with the next writing."""
        database, here = self._opened(), self._clocks()
        self._shifts = shifts(database.anchors(), here)
        loading = Loading(self._keys, self._expected, self._shifts, here, self._decoders)
        loading.take(database.rows())
        self.dropped.update(loading.dropped)
        self._first = [*_batches(dict.fromkeys(loading.gone)), *_batches(dict(loading.reseal))]
        return loading.found

    def _opened(self) -> Database:
        if self._database is None:
            self._database = self._open()
        return self._database

    def _open(self) -> Database:
        """Open the file; a damaged one is moved aside and a new one begun."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._key_file is not None:
            self._key_file.save()
        try:
            if not self._damaged:
                return Database(self._path, self._run, self._max_bytes)
        except CorruptError:
            self._damaged = True
        target = move_aside(self._path, f".corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        log.error("the store %s is damaged; it is now %s, and a new one begins", self._path, target.name)
        self._damaged = False
        return Database(self._path, self._run, self._max_bytes)

    def discard(self) -> None:
        """Close a file that turned out to be damaged; the next use begins a new one."""
        database, self._database = self._database, None
        self._damaged, self._first = True, []
        if database is not None:
            database.close()

    # --- writing

    def write(self, batch: Batch, *, last: bool = False) -> None:
        """Write a batch. `last`: note the time even if there is nothing to write."""
        database = self._opened()
        if batch.wiped:
            self._first = []
        while self._first:
            self._write(database, self._first[0])
            self._first.pop(0)
        beat = last or self._clocks().now - self._beat_at >= HEARTBEAT_S
        if batch or beat:
            self._write(database, batch)
        if beat:
            self._purge(database)
        self.rows, self.used_bytes = dict(database.counts), database.used_bytes

    def _write(self, database: Database, batch: Batch) -> None:
        sealed = {place: self._sealed(place, value) for place, value in batch.changes.items()}
        rows = [row for row in sealed.values() if row is not None]
        gone = [place for place, row in sealed.items() if row is None]
        database.write(Writing(batch.wiped, batch.cleared, gone, rows), self._clocks())
        self.dropped[NO_SPACE] += database.trim()

    def _sealed(self, place: Place, value: Value | None) -> NewRow | None:
        """Return a row to be stored; None where there is none, or none that can be stored."""
        if value is None:
            return None
        try:
            plain = value.encode()
        except Exception:  # whatever is wrong with one value must not keep all others from being written
            self.dropped[UNENCODABLE] += 1
            return None
        if len(plain) > MAX_VALUE_BYTES:
            self.dropped[TOO_LARGE] += 1
            return None
        return NewRow(place, value.ends, self._keys.seal(plain, sealed_place(place, self._run)))

    def _purge(self, database: Database) -> None:
        now, wall = self._clocks()
        limits = [(self._run, now), *((run, now - shift) for run, shift in self._shifts.items())]
        self.dropped[ENDED] += database.purge(limits, wall)
        self._beat_at = now

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()


def _batches(changes: Mapping[Place, Value | None]) -> list[Batch]:
    rows, batches = iter(changes.items()), list[Batch]()
    while chunk := dict(islice(rows, _CHUNK)):
        batches.append(Batch(chunk))
    return batches
