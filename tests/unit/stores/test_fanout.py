"""Changes reach every observer, but never the one they came from."""

from __future__ import annotations

from proxy.credentials import Fingerprint
from proxy.grants import GrantStore, Knowledge
from proxy.knowledge.memory import UserRecord, VendorMemory
from proxy.model import NOTHING_KNOWN, RefusalTemplate, Source
from proxy.stores.fanout import Fanout
from proxy.vendors.facts import ShapeSeen, UserAccess

TOKEN = Fingerprint(b"f" * 32)
ENTRY = Knowledge(NOTHING_KNOWN, Source.REFUSAL, 0.0, 10.0)


class Diary:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        self.lines.append(("kept", fingerprint, knowledge))

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:
        self.lines.append(("tied", fingerprint, chain))

    def untied(self, fingerprint: Fingerprint) -> None:
        self.lines.append(("untied", fingerprint))

    def gone(self, fingerprint: Fingerprint) -> None:
        self.lines.append(("gone", fingerprint))

    def cleared(self) -> None:
        self.lines.append(("cleared",))

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        self.lines.append(("shape", variant, template))

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        self.lines.append(("user", user_id))

    def user_gone(self, user_id: str) -> None:
        self.lines.append(("user gone", user_id))


def everything(store: GrantStore, memory: VendorMemory) -> None:
    """Make every change there is."""
    store.put(TOKEN, ENTRY)
    store.tie("chain", TOKEN)
    store.forget(TOKEN)
    for number in range(4):  # one more than twice as many ties as a store of one entry keeps
        store.tie("chain", Fingerprint(bytes([number]) * 32))
    store.clear()
    memory.remember_shape(ShapeSeen(RefusalTemplate(403, {})))
    for user in ("anna", "ben"):
        memory.remember_access(UserAccess(user, 1, 1, {}), 0.0)


def world() -> tuple[GrantStore, VendorMemory, Fanout, Diary, Diary]:
    fanout, first, second = Fanout(), Diary(), Diary()
    fanout.add(first)
    fanout.add(second)
    return GrantStore(1, fanout), VendorMemory(1, fanout), fanout, first, second


def test_every_change_reaches_every_observer() -> None:
    store, memory, _, first, second = world()
    everything(store, memory)
    assert [line[0] for line in first.lines] == [
        "kept", "tied", "gone", "tied", "tied", "untied", "tied", "untied", "tied", "cleared", "shape", "user", "user", "user gone",
    ]  # fmt: skip
    assert second.lines == first.lines


def test_a_change_is_not_told_to_the_one_it_came_from() -> None:
    store, memory, fanout, first, second = world()
    with fanout.without(first):
        everything(store, memory)
    assert not first.lines
    assert second.lines


def test_it_is_told_again_afterwards_even_after_a_fault() -> None:
    store, _, fanout, first, _ = world()
    try:
        with fanout.without(first):
            raise KeyError
    except KeyError:
        store.put(TOKEN, ENTRY)
    assert first.lines == [("kept", TOKEN, ENTRY)]
