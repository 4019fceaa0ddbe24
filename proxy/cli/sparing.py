"""What aiohttp and its libraries do when they are imported, made cheap.

It reads all certificate authorities of the system, for a client without a context: two megabytes and a tenth of a start. Whatever asks
over TLS here brings a context of its own. And its lists of callbacks are written in C++, whose library is a megabyte; in Python they
are as good here, where one is walked for each request to the admin listener. And it has the system's table of media types read, for
files that it might serve: those that are sent here say theirs.
"""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_SPARING: Final[Mapping[str, str]] = {"SSL_CERT_FILE": os.devnull, "FROZENLIST_NO_EXTENSIONS": "1"}


@contextmanager
def importing_little() -> Iterator[None]:
    """Import with no authorities (a client that were to forget its context would then reach nobody, rather than anybody) and no C++."""
    tables, mimetypes.knownfiles = mimetypes.knownfiles, []
    before = {name: os.environ.get(name) for name in _SPARING}
    os.environ.update(_SPARING)
    try:
        yield
    finally:
        mimetypes.knownfiles = tables
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
