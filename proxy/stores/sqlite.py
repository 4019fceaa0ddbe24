"""The database file: rows by place, sealed, readable by their owner alone. Used by one thread; errors are left to its caller.

Kept in write-ahead mode with `synchronous=NORMAL`: whatever was committed survives the process, and after a power cut the file is
whole, perhaps without the last commits. Rows are numbered in the order of their writing, so the oldest are the first ones.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from proxy.stores.pending import OF_EVIDENCE, OF_TOKENS, Place
from proxy.stores.timeline import Anchor

MIGRATIONS: Final = (
    """
    CREATE TABLE runs (id INTEGER PRIMARY KEY, now REAL NOT NULL, wall REAL NOT NULL);
    CREATE TABLE rows (
        sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, vendor TEXT NOT NULL, key BLOB NOT NULL,
        run INTEGER NOT NULL, ends REAL, value BLOB NOT NULL, UNIQUE (kind, vendor, key)
    );
    CREATE INDEX rows_by_end ON rows (run, ends);
    """,
)
"""What leads from each version of the schema to the next. `PRAGMA user_version` says how many were done."""

BUSY_S: Final = 1.0
_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "journal_size_limit = 8388608",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "temp_store = MEMORY",
)
_TRIM_ROUNDS: Final = 40
_BROKEN: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


class CorruptError(Exception):
    """The file is no database, or a damaged one."""


class NewerSchemaError(Exception):
    """The file was written by a newer version of this program."""


class StoredRow(NamedTuple):
    """One row as it is stored; `run` wrote it."""

    place: Place
    run: int
    value: bytes
    ends: float | None = None


class NewRow(NamedTuple):
    """One row to be stored, sealed already."""

    place: Place
    ends: float | None
    value: bytes


class Writing(NamedTuple):
    """What one transaction does, in this order. `wiped`: evidence alone stays. `cleared` are vendors whose tokens are taken away."""

    wiped: bool
    cleared: Iterable[str]
    gone: list[Place]
    rows: list[NewRow]


class Database:
    """An open database. `run` is the number under which this process writes, `counts` the number of rows by kind."""

    counts: Counter[str]

    def __init__(self, path: Path, run: int, max_bytes: int, migrations: tuple[str, ...] = MIGRATIONS) -> None:
        """Open the file, making it where it is missing. Raise `OSError`, `sqlite3.Error`, `CorruptError` or `NewerSchemaError`."""
        self._run = run
        self._max_bytes = max_bytes
        make_private(path)
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            self._prepare(migrations)
        except BaseException as error:
            self._connection.close()
            if is_corruption(error):
                raise CorruptError(str(error)) from None
            raise

    def _prepare(self, migrations: tuple[str, ...]) -> None:
        if self._number("PRAGMA page_count") == 0:  # it rewrites the header of a file that is there already
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for pragma in _PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        self._migrate(migrations)
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise CorruptError(str(found))
        self.counts = Counter(self._count("1"))

    def _migrate(self, migrations: tuple[str, ...]) -> None:
        version = self._number("PRAGMA user_version")
        if version > len(migrations):
            raise NewerSchemaError(f"schema {version}, while this version knows {len(migrations)}")
        if version == len(migrations):
            return
        steps = ";\n".join(migrations[version:])
        self._connection.executescript(f"BEGIN IMMEDIATE;\n{steps};\nPRAGMA user_version = {len(migrations)};\nCOMMIT;")

    def close(self) -> None:
        """Close the file; what is in the write-ahead log is moved into it."""
        self._connection.close()

    # --- reading

    def anchors(self) -> list[tuple[int, Anchor]]:
        """Return what the clocks of each earlier run said at its newest writing."""
        return [(run, Anchor(now, wall)) for run, now, wall in self._connection.execute("SELECT id, now, wall FROM runs")]

    def rows(self) -> Iterator[StoredRow]:
        """Yield every row, the newest first."""
        for kind, vendor, key, run, value, ends in self._connection.execute(
            "SELECT kind, vendor, key, run, value, ends FROM rows ORDER BY sequence DESC"
        ):
            yield StoredRow(Place(kind, vendor, key), run, value, ends)

    @property
    def used_bytes(self) -> int:
        """Return the size of what is in use of the file."""
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    # --- writing

    def write(self, writing: Writing, anchor: Anchor) -> None:
        """Make all changes, or none; from then on this run's newest writing was at `anchor`."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET now = excluded.now, wall = excluded.wall",
                (self._run, *anchor),
            )
            if writing.wiped:
                self._delete(f"kind NOT IN {OF_EVIDENCE}")
            for vendor in writing.cleared:
                self._delete(f"vendor = ? AND kind IN {OF_TOKENS}", (vendor,))
            self._remove([*writing.gone, *(row.place for row in writing.rows)])
            self._insert(writing.rows)

    def _remove(self, places: list[Place]) -> None:
        for kind in {place.kind for place in places}:
            mine = [place for place in places if place.kind == kind]
            cursor = self._connection.executemany("DELETE FROM rows WHERE kind = ? AND vendor = ? AND key = ?", mine)
            self.counts[kind] -= cursor.rowcount

    def _insert(self, rows: list[NewRow]) -> None:
        self._connection.executemany(
            "INSERT INTO rows (kind, vendor, key, run, ends, value) VALUES (?, ?, ?, ?, ?, ?)",
            [(*row.place, self._run, row.ends, row.value) for row in rows],
        )
        self.counts.update(row.place.kind for row in rows)

    def purge(self, limits: Iterable[tuple[int, float]], wall: float) -> int:
        """Take away, for each run, the rows that ended by a moment of its clock, and evidence that ended by `wall`; return how many."""
        with self._transaction():
            count = sum(self._delete(f"run = ? AND ends <= ? AND kind NOT IN {OF_EVIDENCE}", limit) for limit in limits)
            count += self._delete(f"kind IN {OF_EVIDENCE} AND ends <= ?", (wall,))
            self._connection.execute("DELETE FROM runs WHERE id <> ? AND id NOT IN (SELECT run FROM rows)", (self._run,))
        self._connection.execute("PRAGMA incremental_vacuum").fetchall()
        return count

    def trim(self) -> int:
        """Take away the oldest rows, evidence last, until the file is within its bound; return how many."""
        count = 0
        for _ in range(_TRIM_ROUNDS):
            if self.used_bytes <= self._max_bytes:
                break
            share = max(1, self.counts.total() // _TRIM_ROUNDS)
            with self._transaction():
                count += self._delete(
                    f"sequence IN (SELECT sequence FROM rows ORDER BY kind IN {OF_EVIDENCE}, sequence LIMIT ?)",  # noqa: S608
                    (share,),
                )
        return count

    def _delete(self, condition: str, values: tuple[object, ...] = ()) -> int:
        """Take rows away and keep count; `condition` is ours, never anybody's text."""
        found = self._count(condition, values)
        self._connection.execute(f"DELETE FROM rows WHERE {condition}", values)  # noqa: S608
        self.counts.subtract(found)
        return sum(found.values())

    def _count(self, condition: str, values: tuple[object, ...] = ()) -> dict[str, int]:
        query = f"SELECT kind, count(*) FROM rows WHERE {condition} GROUP BY kind"  # noqa: S608
        return dict(self._connection.execute(query, values).fetchall())

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended it already
                self._connection.execute("ROLLBACK")
            self.counts = Counter(self._count("1"))
            raise

    def _number(self, query: str) -> int:
        (value,) = self._connection.execute(query).fetchone()
        return int(value)


def is_corruption(error: BaseException) -> bool:
    """Say whether an error means that the file itself is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, CorruptError) or (isinstance(code, int) and code & 0xFF in _BROKEN)


def make_private(path: Path) -> None:
    """Make the file where it is missing; only the owner may read it. SQLite gives its companions the same mode."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    for companion in companions(path):
        with contextlib.suppress(FileNotFoundError):
            companion.chmod(0o600)


def companions(path: Path) -> tuple[Path, Path]:
    """Return the write-ahead log and its index, which SQLite keeps beside a database."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def move_aside(path: Path, suffix: str) -> Path:
    """Give a damaged database and its companions another name, so that a new one can begin; return the database's."""
    target = path.with_name(path.name + suffix)
    for old, new in zip((path, *companions(path)), (target, *companions(target)), strict=True):
        with contextlib.suppress(FileNotFoundError):
            old.rename(new)
    return target
