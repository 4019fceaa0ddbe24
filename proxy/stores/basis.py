"""What learned knowledge rests on besides the token: names of scopes, requirements, configured grants. Pure.

An entry that was learned under another basis could deny wrongly: an operator who corrects a catalogue or adds a grant and restarts
must not be refused by what the old one taught. So each entry names its basis, and one of another basis is not taken over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import orjson

from proxy.catalogs.catalog import Catalog


def knowledge_basis(kind: str, catalog: Catalog, grants: Iterable[Mapping[str, object]]) -> str:
    """Return 16 hexadecimal digits that change with whatever decides how an exchange is understood; texts for people do not."""
    parts = [
        kind,
        catalog.aliases,
        catalog.operations,
        {name: info.changeable for name, info in catalog.scopes.items()},
        catalog.token_endpoints,
        catalog.token_in,
        catalog.recognise,
        list(grants),
    ]
    written = orjson.dumps(parts, default=_ordered, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(written).hexdigest()[:16]


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} has no fixed order")
