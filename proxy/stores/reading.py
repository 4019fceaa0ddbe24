"""Reads evidence out of a store that a proxy may be writing at this moment; changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from proxy.stores.keys import Keys
from proxy.stores.loading import sealed_place
from proxy.stores.pending import Place
from proxy.stores.sqlite import BUSY_S, companions

Row = TypeVar("Row")
_QUERY: Final = "SELECT kind, vendor, key, run, value FROM rows WHERE kind = ? ORDER BY sequence"


class UnreadableStoreError(Exception):
    """The store cannot be read; the message says why and holds no secret."""


def read_evidence(path: Path, keys: Keys, kind: str, decode: Callable[[bytes], Row]) -> list[Row]:
    """Return the rows of one kind of evidence, the newest last; those that cannot be read are left out.

    Raise `UnreadableStoreError` where there is no store, or none of its rows can be opened with these keys.
    """
    if not path.is_file():
        raise UnreadableStoreError(f"there is no store at {path}")
    try:
        sealed = _rows(path, kind)
    except sqlite3.Error as error:
        raise UnreadableStoreError(f"the store {path} cannot be read: {error}") from None
    opened = [keys.open(value, sealed_place(place, run)) for place, run, value in sealed]
    plain = [data for data in opened if data is not None]
    if sealed and not plain:
        raise UnreadableStoreError(f"the key does not open what is in the store {path}")
    return [row for data in plain for row in _decoded(data, decode)]


def _decoded(data: bytes, decode: Callable[[bytes], Row]) -> list[Row]:
    try:
        return [decode(data)]
    except (ValueError, TypeError, KeyError):
        return []


def _rows(path: Path, kind: str) -> list[tuple[Place, int, bytes]]:
    """Read without writing: a file nobody has open and without a write-ahead log is read as it lies there."""
    alone = not any(companion.exists() for companion in companions(path))
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}", uri=True, timeout=BUSY_S)
    try:
        found = connection.execute(_QUERY, (kind,)).fetchall()
    finally:
        connection.close()
    return [(Place(kind, vendor, key), run, value) for kind, vendor, key, run, value in found]
