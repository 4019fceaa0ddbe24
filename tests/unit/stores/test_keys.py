from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials import Secret, read_keys
from proxy.stores.keys import KeyFile, KeyFileError, Keys

OLD, NEW, OTHER = (Secret(bytes([number]) * 32) for number in (1, 2, 3))
PLACE = b"place"


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_sealed_opens_at_its_place_only(plain: bytes, place: bytes) -> None:
    keys = Keys((OLD,))
    sealed = keys.seal(plain, place)
    assert keys.open(sealed, place) == plain
    assert keys.open(sealed, place + b"x") is None


def test_a_seal_tells_nothing_and_never_repeats() -> None:
    keys = Keys((OLD,))
    first, second = keys.seal(b"ReadCallLog", PLACE), keys.seal(b"ReadCallLog", PLACE)
    assert first != second
    assert b"ReadCallLog" not in first


@pytest.mark.parametrize("position", [0, 4, 20, -1])
def test_changed_bytes_do_not_open(position: int) -> None:
    sealed = bytearray(Keys((OLD,)).seal(b"plain text", PLACE))
    sealed[position] ^= 1
    assert Keys((OLD,)).open(bytes(sealed), PLACE) is None


@pytest.mark.parametrize("length", [0, 3, 4, 10, 16, 20])
def test_cut_bytes_do_not_open(length: int) -> None:
    assert Keys((OLD,)).open(Keys((OLD,)).seal(b"plain text", PLACE)[:length], PLACE) is None


def test_the_newest_key_seals_and_all_open() -> None:
    before, after = Keys((OLD,)), Keys((OLD, NEW))
    sealed = before.seal(b"x", PLACE)
    assert after.open(sealed, PLACE) == b"x"
    assert (before.is_newest(sealed), after.is_newest(sealed)) == (True, False)
    renewed = after.seal(b"x", PLACE)
    assert after.is_newest(renewed)
    assert before.open(renewed, PLACE) is None


def test_without_the_first_key_nothing_opens_because_no_fingerprint_is_the_same() -> None:
    sealed = Keys((OLD, NEW)).seal(b"x", PLACE)
    assert Keys((NEW,)).open(sealed, PLACE) is None
    assert Keys((NEW,)).fingerprint_key != Keys((OLD, NEW)).fingerprint_key
    assert Keys((OLD, OTHER)).fingerprint_key == Keys((OLD, NEW)).fingerprint_key


def test_fingerprints_and_rows_have_different_keys() -> None:
    assert Keys((OLD,)).fingerprint_key.reveal() != OLD.reveal()


def test_a_hidden_text_is_the_same_each_time_under_one_key() -> None:
    assert Keys((OLD,)).hidden("alice") == Keys((OLD, NEW)).hidden("alice")
    assert Keys((OLD,)).hidden("alice") not in (Keys((NEW,)).hidden("alice"), Keys((OLD,)).hidden("bob"))


# --- keys as text -------------------------------------------------------------------------------------------


def test_keys_are_read_in_both_notations_the_oldest_first() -> None:
    text = f"# made by hand\n{OLD.reveal().hex()}\n\n  {base64.b64encode(NEW.reveal()).decode()} {OTHER.reveal().hex().upper()}\n"
    assert read_keys(text) == (OLD, NEW, OTHER)


@pytest.mark.parametrize("text", ["", "# only a note", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 32 + "\n" + "ab" * 32, "é" * 44])
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="must") as refused:
        read_keys(text)
    assert not text or text not in str(refused.value)


# --- the file -----------------------------------------------------------------------------------------------


def test_a_new_key_is_kept_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "scopegate.db.key"
    first = KeyFile(path)
    assert not path.exists()
    first.save()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert KeyFile(path).keys.fingerprint_key == first.keys.fingerprint_key


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first, second = KeyFile(path), KeyFile(path)
    first.save()
    with pytest.raises(KeyFileError, match="restart"):
        second.save()
    assert KeyFile(path).keys.fingerprint_key == first.keys.fingerprint_key
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    KeyFile(path).save()
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        KeyFile(path)


@pytest.mark.parametrize("content", [b"", b"secret-canary", b"\xff" * 64])
def test_a_file_without_keys_is_refused_without_being_repeated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="must") as refused:
        KeyFile(path)
    assert "canary" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(tmp_path)


def test_a_key_is_made_even_where_no_file_can_be(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    made = KeyFile(blocked / "key")
    with pytest.raises(OSError, match="Not a directory"):
        made.save()
    blocked.unlink()
    blocked.mkdir()
    made.save()
    assert KeyFile(blocked / "key").keys.fingerprint_key == made.keys.fingerprint_key
