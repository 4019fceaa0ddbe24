from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials import FINGERPRINT_BYTES
from proxy.grants import GrantStore, Knowledge
from proxy.knowledge.memory import UserRecord, VendorMemory
from proxy.model import Grants, RefusalTemplate, Source
from proxy.vendors.facts import ShapeSeen
from proxy.workers.changes import KEPT, Change, Reader, RecordError, Writer, read_change
from tests.unit.stores.test_codec import entries

VENDORS = (("acme", "basis"), ("other", "basis"))
TOKEN = b"t" * FINGERPRINT_BYTES
PLAIN = Knowledge(Grants(frozenset({"a"}), complete=True), Source.TOKEN_RESPONSE, 1.0, 1e12)


def target() -> tuple[Reader, GrantStore, VendorMemory]:
    stores, memories = {name: GrantStore() for name, _ in VENDORS}, {name: VendorMemory() for name, _ in VENDORS}
    return Reader(VENDORS, stores, memories), stores["other"], memories["other"]


@given(st.integers(1, 7), st.integers(0, 255), st.binary(max_size=40), st.binary(max_size=40))
def test_a_change_comes_back_as_it_was(kind: int, vendor: int, key: bytes, value: bytes) -> None:
    change = Change(kind, vendor, key, value)
    assert read_change(change.encoded()) == change


@given(st.binary(max_size=60))
def test_bytes_are_a_change_or_an_error(data: bytes) -> None:
    try:
        change = read_change(data)
    except RecordError:
        return
    assert change.encoded() == data


@given(entries())
def test_what_is_kept_is_kept_by_the_reader_too(entry: Knowledge) -> None:
    reader, store, _ = target()
    reader.make(read_change(Writer(1, "basis").kept(TOKEN, entry)))
    assert dict(store.items()) == {TOKEN: entry}


def test_a_text_that_cannot_be_written_makes_the_reader_forget() -> None:
    reader, store, _ = target()
    store.put(TOKEN, PLAIN)
    reader.make(read_change(Writer(1, "basis").kept(TOKEN, Knowledge(Grants(), Source.REFUSAL, 1.0, 2.0, "\udc80"))))
    assert not len(store)


@pytest.mark.parametrize("value", [b"", b"[1]", b"nonsense", b'[1,"another basis"]'])
def test_a_value_that_cannot_be_read_makes_the_reader_forget(value: bytes) -> None:
    reader, store, _ = target()
    store.put(TOKEN, PLAIN)
    with pytest.raises(RecordError):
        reader.make(Change(KEPT, 1, TOKEN, value))
    assert not len(store)


def test_a_vendor_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(RecordError):
        target()[0].make(Change(KEPT, 2, TOKEN))


def test_everything_known_makes_another_know_the_same() -> None:
    store, memory = GrantStore(), VendorMemory()
    store.put(TOKEN, Knowledge(PLAIN.grants, Source.TOKEN_RESPONSE, 1.0, 1e12, chain="acme:1"))
    store.tie("acme:1", b"refresh")
    template = RefusalTemplate(403, {"message": "no"}, {"X": "y"})
    memory.remember_shape(ShapeSeen(template, "variant"))
    memory.restore_user("ann", UserRecord(1.0, 2, {1: {"read": "all"}}))
    records = list(Writer(1, "basis").everything(store, memory))

    reader, copy, copied_memory = target()
    copy.put(b"old", PLAIN)
    for record in records:
        reader.make(read_change(record))
    assert list(copy.items()) == list(store.items())
    assert dict(copy.ties()) == dict(store.ties())
    assert copied_memory.shapes == memory.shapes
    assert dict(copied_memory.users()) == dict(memory.users())
