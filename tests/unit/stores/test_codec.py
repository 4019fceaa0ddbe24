from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.grants import NEVER, Knowledge, LackRecord
from proxy.knowledge.memory import UserRecord
from proxy.model import Grants, Lack, RefusalTemplate, Source
from proxy.stores.codec import (
    CodecError,
    OtherBasisError,
    decode_knowledge,
    decode_shape,
    decode_tie,
    decode_user,
    encode_knowledge,
    encode_shape,
    encode_tie,
    encode_user,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.floats(0, 1e9) | st.just(NEVER)
walls = st.floats(0, 4e9)
lack_records = st.builds(LackRecord, st.builds(Lack, texts, st.frozensets(texts, max_size=3)), walls, moments, st.booleans(), moments)
bare_grants = st.builds(
    Grants,
    st.frozensets(texts),
    st.frozensets(st.tuples(texts, texts)),
    st.booleans(),
    st.frozensets(texts),
)


@st.composite
def entries(draw: st.DrawFn) -> Knowledge:
    """Any entry that a store can hold: lacks come in through `with_lack`."""
    entry = Knowledge(draw(bare_grants), draw(st.sampled_from(Source)), draw(walls), draw(moments), draw(texts), draw(texts))
    for record in draw(st.lists(lack_records, max_size=4)):
        entry = entry.with_lack(record)
    return entry


@given(entries(), texts)
def test_an_entry_comes_back_as_it_was(entry: Knowledge, basis: str) -> None:
    assert decode_knowledge(encode_knowledge(entry, basis), basis, 0.0) == entry


@given(entries(), st.floats(-1e6, 1e6))
def test_every_moment_is_moved_and_nothing_else(entry: Knowledge, shift: float) -> None:
    moved = decode_knowledge(encode_knowledge(entry, "b"), "b", shift)
    assert moved.expires == entry.expires + shift
    assert [(r.expires, r.recheck) for r in moved.lacks] == [(r.expires + shift, r.recheck + shift) for r in entry.lacks]
    assert (moved.grants, moved.observed_at, moved.source) == (entry.grants, entry.observed_at, entry.source)


def test_what_was_learned_under_another_basis_is_refused() -> None:
    entry = Knowledge(Grants(), Source.CONFIGURED, 0.0, 1.0)
    with pytest.raises(OtherBasisError):
        decode_knowledge(encode_knowledge(entry, "old"), "new", 0.0)


@given(texts)
def test_a_tie_comes_back_as_it_was(chain: str) -> None:
    assert decode_tie(encode_tie(chain)) == chain


json_values = st.recursive(st.none() | st.booleans() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8)


@given(texts, st.integers(400, 499), st.dictionaries(texts, json_values), st.dictionaries(texts, texts))
def test_a_shape_comes_back_as_it_was(variant: str, status: int, body: dict[str, object], headers: dict[str, str]) -> None:
    template = RefusalTemplate(status, body, headers)
    assert decode_shape(encode_shape(variant, template)) == (variant, template)


@given(texts, walls, st.integers(1, 9), st.dictionaries(st.integers(1, 9), st.dictionaries(texts, texts)))
def test_a_user_comes_back_as_it_was(user: str, seen_at: float, count: int, pages: dict[int, dict[str, str]]) -> None:
    record = UserRecord(seen_at, count, pages)
    assert decode_user(encode_user(user, record)) == (user, record)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[1]", b'[2,"chain"]', b'[1,"chain","more"]', b"\xff"])
def test_bytes_of_another_version_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode_tie(data)


def test_text_that_is_not_unicode_is_refused_rather_than_changed() -> None:
    with pytest.raises(TypeError):
        encode_tie("\ud800")
