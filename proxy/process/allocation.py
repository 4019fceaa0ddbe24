"""How this process takes memory for reads.

The loop reads into objects of 256 KiB and gives back at once what a read did not fill; over TLS that happens for every read. The C
library's default (mallopt(3)) has the kernel map each such piece, and unmap it again: system calls and page faults that cost more
than the read. Pieces of that size come from the heap instead, and the heap keeps some room at its end.

The price: each open TLS connection has a buffer of that size too, of which it uses little. From the heap it holds pages that others
have used: 50 to 70 KiB for each connection, where a mapping of its own held 25 to 30.
"""

from __future__ import annotations

import os
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""Names and numbers of glibc's malloc.h."""
MAPPED_FROM: Final = 1024 * 1024
"""Bytes from which a piece is still mapped by itself, and so given back whole: no read is that large."""
KEPT: Final = 8 * 1024 * 1024
"""Bytes of free heap that are kept for the next reads."""


def keep_reads_on_the_heap() -> bool:
    """Tell glibc so and return whether it took it; other C libraries are left alone."""
    if not _is_glibc():
        return False
    try:
        import ctypes  # noqa: PLC0415 - only where it is of use

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, MemoryError, OSError, AttributeError):  # a system that forbids what ctypes needs
        return False
    return all([mallopt(M_MMAP_THRESHOLD, MAPPED_FROM), mallopt(M_TRIM_THRESHOLD, KEPT)])


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):
        return False
