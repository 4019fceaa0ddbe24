"""What aiohttp does when it is imported, made cheap: it reads all certificate authorities of the system, for a client without a context.

That is two megabytes and a tenth of a start. Whatever asks over TLS here brings a context of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NAMED = "SSL_CERT_FILE"


@contextmanager
def trusting_nobody() -> Iterator[None]:
    """Import with no authorities: a client that were to forget its context would then reach nobody, rather than anybody."""
    named = os.environ.get(_NAMED)
    os.environ[_NAMED] = os.devnull
    try:
        yield
    finally:
        del os.environ[_NAMED]
        if named is not None:
            os.environ[_NAMED] = named
