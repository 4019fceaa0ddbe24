from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.settings import Copies, Disk, Loaded, load_settings, stamp_of
from tests.unit.settings.samples import VENDOR, write


def test_what_was_read_can_be_read_again_elsewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("https://api.example.com\n")
    file, disk = write(tmp_path, VENDOR.replace("https://api.example.com", f"${{file:{secret}}}")), Disk()
    first = load_settings(file, {}, disk)
    assert isinstance(first, Loaded)
    assert set(disk.contents) == {file, tmp_path / "catalog.yaml", secret}
    for path in disk.contents:
        path.unlink()
    again = load_settings(file, {}, Copies(disk.contents))
    assert isinstance(again, Loaded)
    assert (again.settings, again.entries, again.revision) == (first.settings, first.entries, first.revision)


def test_what_was_not_read_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("there")
    copies = Copies({})
    assert not copies.is_regular(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        copies.read(tmp_path / "file", 10)


def test_files_that_are_missing_are_looked_at_too(tmp_path: Path) -> None:
    disk = Disk()
    with pytest.raises(FileNotFoundError):
        disk.read(tmp_path / "later", 10)
    assert not disk.has_changed()
    (tmp_path / "later").write_text("here")
    assert disk.has_changed()


def test_a_stamp_changes_with_every_way_of_writing(tmp_path: Path) -> None:
    one, two, link = tmp_path / "one", tmp_path / "two", tmp_path / "link"
    one.write_text("1")
    two.write_text("2")
    os.utime(two, ns=(one.stat().st_atime_ns, one.stat().st_mtime_ns))
    link.symlink_to(one)
    before = stamp_of(link)
    assert before == stamp_of(one)
    (tmp_path / "new").symlink_to(two)
    (tmp_path / "new").rename(link)
    assert stamp_of(link) not in (before, None)
    two.unlink()
    assert stamp_of(link) is None
    assert stamp_of(Path("nul\0")) is None
