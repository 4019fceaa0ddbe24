from __future__ import annotations

from proxy.knowledge.sharing import Sharing
from proxy.model import Grants


def grants(*scopes: str) -> Grants:
    return Grants(frozenset(scopes), complete=True)


def test_equal_values_become_one() -> None:
    share, first = Sharing[Grants](), grants("A", "B")
    assert share(first) is first
    assert share(grants("B", "A")) is first
    assert share(grants("A")) is not first


def test_memory_is_bounded() -> None:
    share, first = Sharing[Grants](limit=2), grants("A")
    share(first)
    share(grants("B"))
    assert share(grants("C")) == grants("C")
    again = grants("A")
    assert share(again) is again  # it began anew
