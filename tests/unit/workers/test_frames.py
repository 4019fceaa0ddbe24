from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.workers.frames import (
    Frame,
    FrameError,
    Frames,
    Kind,
    pack_named,
    pack_number,
    pack_records,
    unpack_named,
    unpack_number,
    unpack_records,
)

frames = st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=50))


@given(st.lists(frames, max_size=6), st.data())
def test_frames_come_back_however_the_bytes_are_cut(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(frame.encoded() for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    reader, got = Frames(), list[Frame]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += reader.feed(stream[start:end])
    assert got == sent


def test_a_frame_beyond_the_limit_is_an_error_before_it_has_come() -> None:
    with pytest.raises(FrameError):
        list(Frames(limit=10).feed(Frame(Kind.RECORD, b"x" * 11).encoded()[:5]))


def test_a_kind_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FrameError):
        list(Frames().feed(b"\0\0\0\0\xff"))


@given(st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 100))
def test_records_come_back_in_order_and_in_small_batches(records: list[bytes], size: int) -> None:
    batches = list(pack_records(records, size))
    assert [record for batch in batches for record in unpack_records(batch)] == records
    assert all(len(batch) < size + 34 for batch in batches)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=20))
def test_a_number_comes_back_with_what_follows_it(number: int, data: bytes) -> None:
    assert unpack_number(pack_number(number, data)) == (number, data)


@given(st.text(max_size=60), st.binary(max_size=20))
def test_a_name_comes_back_with_what_follows_it(name: str, data: bytes) -> None:
    try:
        packed = pack_named(name, data)
    except (FrameError, UnicodeEncodeError):
        return
    assert unpack_named(packed) == (name, data)


@pytest.mark.parametrize("data", [b"", b"\x05name", b"\x02\xff\xff"])
def test_a_name_that_is_cut_off_or_no_text_is_an_error(data: bytes) -> None:
    with pytest.raises(FrameError):
        unpack_named(data)


@pytest.mark.parametrize("data", [b"\0", b"\x05\0\0\0abc"])
def test_records_that_are_cut_off_are_an_error(data: bytes) -> None:
    with pytest.raises(FrameError):
        list(unpack_records(data))


def test_a_number_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(FrameError):
        unpack_number(b"1234567")
