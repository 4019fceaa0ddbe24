"""The keys of the store: one makes tokens into fingerprints, one per generation seals rows so that only its holder can read them.

Keys are given by a setting or kept in one file, the oldest first. The newest seals, all open: a key is replaced by adding one at
the end, and taken out once everything was written anew. Fingerprints come from the oldest key; without it all is learned afresh.
Both kinds are derived with HKDF (RFC 5869), rows are sealed with AES-256-GCM (NIST SP 800-38D) and bound to their place.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from proxy.credentials import KEY_BYTES, Secret, read_keys

MAX_KEY_FILE_BYTES: Final = 65_536
_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_NOTE: Final = "# Scopegate's keys, the oldest first; the newest seals. Whoever has this file can read the store beside it.\n"


class KeyFileError(Exception):
    """The key file cannot be used; the message says why and what to do, and nothing of what is in it."""


class Keys:
    """The keys of one store. `generations` are 32 bytes each, the oldest first."""

    def __init__(self, generations: tuple[Secret, ...]) -> None:
        if not generations:
            raise ValueError("a store needs a key")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - nine megabytes that only stores need

        self.fingerprint_key = _derived(generations[0], b"fingerprints")
        self._index_key = _derived(generations[0], b"index")
        self._root = _derived(generations[0], b"root").reveal()[:8]
        self._ciphers = {_key_id(key): AESGCM(_derived(key, b"rows").reveal()) for key in generations}
        self._newest = _key_id(generations[-1])

    @property
    def root(self) -> str:
        """Return 16 hexadecimal digits that tell the holders of one key from others; they tell nothing of the key."""
        return self._root.hex()

    def hidden(self, text: str) -> bytes:
        """Return 16 bytes that stand for `text` (a user) in the open part of a row."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._index_key.reveal(), digest_size=16).digest()

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Seal `plain` so that it opens at `place` only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._newest + nonce + self._ciphers[self._newest].encrypt(nonce, plain, self._root + place)

    def open(self, sealed: bytes, place: bytes) -> bytes | None:
        """Return what was sealed for `place`; None where the key is not known, or the bytes or their place were changed."""
        cipher = self._ciphers.get(sealed[:_ID_BYTES])
        nonce, rest = sealed[_ID_BYTES : _ID_BYTES + _NONCE_BYTES], sealed[_ID_BYTES + _NONCE_BYTES :]
        if cipher is None or len(nonce) < _NONCE_BYTES:
            return None
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - it is there since the constructor

        try:
            return cipher.decrypt(nonce, rest, self._root + place)
        except InvalidTag:
            return None

    def is_newest(self, sealed: bytes) -> bool:
        """Say whether the newest key sealed this."""
        return sealed[:_ID_BYTES] == self._newest


def _derived(key: Secret, purpose: bytes) -> Secret:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - only stores need it
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - only stores need it

    return Secret(HKDF(SHA256(), KEY_BYTES, None, b"scopegate 1 " + purpose).derive(key.reveal()))


def _key_id(key: Secret) -> bytes:
    return _derived(key, b"key id").reveal()[:_ID_BYTES]


# --- the file ---------------------------------------------------------------------------------------------


class KeyFile:
    """The file beside the database. A new key is made in memory first, and written as soon as the disk allows."""

    def __init__(self, path: Path) -> None:
        """Read the file where there is one, else make a key. Raise `KeyFileError`."""
        self.path = path
        found = _read(path)
        generations = found or (Secret(secrets.token_bytes(KEY_BYTES)),)
        self._new = None if found else generations[0]
        self.keys = Keys(generations)

    def save(self) -> None:
        """Write a key that was made; a file that is there already is never replaced. Raise `KeyFileError` or `OSError`."""
        if self._new is None:
            return
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}")
        try:
            _write(draft, _NOTE + self._new.reveal().hex() + "\n")
            self._publish(draft)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()
        self._new = None

    def _publish(self, draft: Path) -> None:
        """Give the draft its name in one step, so that a crash never leaves half a key."""
        try:
            os.link(draft, self.path)
        except FileExistsError:
            raise KeyFileError(f"{self.path} has appeared since the start, with another key; restart to use it") from None
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _read(path: Path) -> tuple[Secret, ...] | None:
    """Return the keys of a file, or None where there is none (nor a directory for one)."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(MAX_KEY_FILE_BYTES).decode("ascii", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"the key file {path} can be used by other users of this machine (mode {mode & 0o777:04o}); chmod 600 it")
    try:
        return read_keys(text)
    except ValueError as error:
        raise KeyFileError(f"the key file {path} {error}") from None
