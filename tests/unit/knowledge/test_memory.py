"""What a vendor has shown that belongs to no single token."""

from __future__ import annotations

from proxy.knowledge.memory import MAX_PAGES, UserRecord, VendorMemory
from proxy.model import RefusalTemplate
from proxy.vendors.facts import ShapeSeen, UserAccess


def page(user: str, number: int, count: int, **permissions: str) -> UserAccess:
    return UserAccess(user, number, count, permissions)


def test_the_newest_shape_of_each_variant_is_kept() -> None:
    memory = VendorMemory()
    old, new, other = (RefusalTemplate(status, {"a": 1}) for status in (400, 401, 403))
    for fact in (ShapeSeen(old), ShapeSeen(other, "b"), ShapeSeen(new), ShapeSeen(new)):
        memory.remember_shape(fact)
    assert memory.shapes == {"": new, "b": other}


def test_pages_add_up() -> None:
    memory = VendorMemory()
    memory.remember_access(page("u", 2, 2, b="read"), 1.0)
    ((user, record),) = memory.users()
    assert (user, record.complete, record.permissions()) == ("u", False, {"b": "read"})
    memory.remember_access(page("u", 1, 1, c="x"), 2.0)
    memory.remember_access(page("u", 1, 2, a="full"), 3.0)
    memory.remember_access(page("u", 2, 2, b="none"), 4.0)
    ((_, record),) = memory.users()
    assert (record.complete, record.permissions(), record.observed_at) == (True, {"a": "full", "b": "none"}, 4.0)


def test_a_first_page_or_another_count_begins_anew() -> None:
    memory = VendorMemory()
    memory.remember_access(page("u", 1, 2, a="1"), 1.0)
    memory.remember_access(page("u", 2, 3, b="2"), 2.0)
    ((_, record),) = memory.users()
    assert record.permissions() == {"b": "2"}
    memory.remember_access(page("u", 1, 3, a="3"), 3.0)
    ((_, record),) = memory.users()
    assert record.permissions() == {"a": "3"}


def test_users_and_pages_are_bounded() -> None:
    memory = VendorMemory(max_users=2)
    for user in ("a", "b", "a", "c"):
        memory.remember_access(page(user, 1, 1), 1.0)
    assert [user for user, _ in memory.users()] == ["a", "c"]
    for number in range(2, MAX_PAGES + 5):
        memory.remember_access(page("a", number, MAX_PAGES * 2), 1.0)
    record = dict(memory.users())["a"]
    assert len(record.pages) == MAX_PAGES


def test_what_an_earlier_run_knew_is_taken_over() -> None:
    memory = VendorMemory(max_users=1)
    record = UserRecord(5.0, 1, {1: {"a": "full"}})
    memory.remember_access(page("old", 1, 1), 1.0)
    memory.restore_user("u", record)
    assert list(memory.users()) == [("u", record)]
