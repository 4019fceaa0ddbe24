"""From changes of memory to changes of the disk: what observers hear becomes rows to write. Quick: nothing is encoded here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from proxy.credentials import Fingerprint
from proxy.grants import NEVER, Knowledge
from proxy.knowledge.memory import UserRecord
from proxy.model import RefusalTemplate
from proxy.stores import codec
from proxy.stores.keys import Keys
from proxy.stores.pending import GRANT, OF_EVIDENCE, SHAPE, TIE, USER, Pending, Place, Value


class Watcher:
    """Hears what becomes of one vendor's store and memory, and notes it down.

    `basis` is what its knowledge rests on; `wake` tells the writer that there is something to write.
    """

    def __init__(self, vendor: str, basis: str, pending: Pending, keys: Keys, wake: Callable[[], None]) -> None:
        self._vendor = vendor
        self._basis = basis
        self._pending = pending
        self._keys = keys
        self._wake = wake

    # --- tokens

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        """Note what is known about a token."""
        ends = None if knowledge.expires == NEVER else knowledge.expires
        self._put(GRANT, fingerprint, Value(partial(codec.encode_knowledge, knowledge, self._basis), ends))

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:
        """Note which chain a refresh token belongs to."""
        self._put(TIE, fingerprint, Value(partial(codec.encode_tie, chain)))

    def untied(self, fingerprint: Fingerprint) -> None:
        """Note that it belongs to none any more."""
        self._put(TIE, fingerprint, None)

    def gone(self, fingerprint: Fingerprint) -> None:
        """Note that nothing is known about a token any more."""
        self._put(GRANT, fingerprint, None)
        self._put(TIE, fingerprint, None)

    def cleared(self) -> None:
        """Note that nothing is known about any token any more."""
        self._pending.clear(self._vendor)
        self._wake()

    # --- the vendor

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        """Note the shape of a refusal."""
        self._put(SHAPE, self._keys.hidden(variant), Value(partial(codec.encode_shape, variant, template)))

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        """Note what is known of a user, as it is now."""
        copy = UserRecord(record.observed_at, record.page_count, dict(record.pages))
        self._put(USER, self._keys.hidden(user_id), Value(partial(codec.encode_user, user_id, copy)))

    def user_gone(self, user_id: str) -> None:
        """Note that nothing is known of a user any more."""
        self._put(USER, self._keys.hidden(user_id), None)

    def _put(self, kind: str, key: bytes, value: Value | None) -> None:
        self._pending.put(Place(kind, self._vendor, key), value)
        self._wake()


class EvidenceSink:
    """Where one ledger's rows go: the `Sink` of `proxy/evidence/ledger.py`."""

    def __init__(self, kind: str, pending: Pending, keys: Keys, wake: Callable[[], None]) -> None:
        if kind not in OF_EVIDENCE:
            raise ValueError(f"{kind!r} is no kind of evidence")
        self._kind = kind
        self._pending = pending
        self._keys = keys
        self._wake = wake

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:
        """Keep a row, until the wall time `ends`."""
        self._change(vendor, key, Value(encode, ends))

    def gone(self, vendor: str, key: str) -> None:
        """Keep it no longer."""
        self._change(vendor, key, None)

    def _change(self, vendor: str, key: str, value: Value | None) -> None:
        self._pending.put(Place(self._kind, vendor, self._keys.hidden(key)), value)
        self._wake()
