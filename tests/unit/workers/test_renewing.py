from __future__ import annotations

from pathlib import Path
from typing import Any

from proxy.composition.preparing import Prepared
from proxy.settings import Disk, Loaded, Problems, load_settings
from proxy.workers.frames import pack_number
from proxy.workers.renewing import READY, Renewal, ask_all, pack_files, question, unpack_files
from tests.unit.settings.samples import VENDOR, loaded, write


class Worker:
    """A worker's side that notes what it is told to do."""

    def __init__(self, file: Path) -> None:
        self.done: list[str] = []
        self.refuses: Problems | None = None
        self.renewal = Renewal(lambda disk: load_settings(file, {}, disk), self.prepare, self.adopt, self.give_up, self.outdated)

    async def prepare(self, new: Loaded) -> Prepared | Problems:
        made: Any = Prepared(new, None, None, None, ())  # type: ignore[arg-type]
        return self.refuses or made

    def adopt(self, prepared: Prepared) -> None:
        self.done.append(f"adopted {prepared.loaded.settings.mode}")

    async def give_up(self, prepared: Prepared) -> None:
        self.done.append(f"gave up {prepared.loaded.settings.mode}")

    def outdated(self) -> None:
        self.done.append("outdated")


def files_of(tmp_path: Path, more: str) -> tuple[Path, bytes]:
    file, disk = write(tmp_path, VENDOR + more), Disk()
    assert isinstance(load_settings(file, {}, disk), Loaded)
    return file, pack_files(disk)


async def test_a_worker_makes_ready_and_then_adopts_what_it_was_told_about(tmp_path: Path) -> None:
    file, files = files_of(tmp_path, "mode: shadow\n")
    file.write_text("by now it is wrong")
    worker = Worker(file)
    assert await worker.renewal.make_ready(question(1, files)[1:]) == READY
    assert worker.done == []
    worker.renewal.heard(pack_number(1))
    worker.renewal.heard(pack_number(1))  # those who fell behind are told again
    assert worker.done == ["adopted shadow"]


async def test_what_was_made_ready_for_nothing_is_given_up(tmp_path: Path) -> None:
    file, files = files_of(tmp_path, "mode: shadow\n")
    worker = Worker(file)
    assert await worker.renewal.make_ready(pack_number(1, files)) == READY
    assert await worker.renewal.make_ready(pack_number(2, files_of(tmp_path, "mode: 'off'\n")[1])) == READY
    worker.renewal.heard(pack_number(2))
    assert worker.done == ["gave up shadow", "adopted off"]


async def test_a_worker_that_was_not_asked_is_outdated(tmp_path: Path) -> None:
    file, files = files_of(tmp_path, "")
    worker = Worker(file)
    worker.renewal.heard(pack_number(1))
    assert await worker.renewal.make_ready(pack_number(2, files)) == READY
    worker.renewal.heard(pack_number(3))
    assert worker.done == ["outdated", "outdated"]


async def test_a_worker_begins_with_what_is_in_force(tmp_path: Path) -> None:
    file, files = files_of(tmp_path, "mode: shadow\n")
    worker = Worker(file)
    assert await worker.renewal.begin(pack_number(7, files))
    worker.renewal.heard(pack_number(7))
    assert worker.done == ["adopted shadow"]
    assert not await worker.renewal.begin(pack_number(8, b""))


async def test_one_that_cannot_and_one_that_does_not_answer_keep_all_from_it(tmp_path: Path) -> None:
    new = loaded(tmp_path, VENDOR)

    async def answer(answers: dict[int, bytes], expected: int) -> list[str]:
        async def ask(question: bytes, *, patience_s: float) -> dict[int, bytes]:
            assert (question[:1], patience_s > 1) == (b"c", True)
            return answers

        problems = await ask_all(ask, 1, b"", expected, new)
        return [] if problems is None else [problem.message for problem in problems]

    assert await answer({1: READY, 2: READY}, 2) == []
    assert await answer({1: READY, 2: b"no keys"}, 2) == ["worker 2: no keys"]
    assert await answer({1: READY}, 2) == ["1 worker(s) did not make ready for it within 30 s"]


def test_files_travel_with_odd_names() -> None:
    disk = Disk()
    disk.contents = {Path("/a/\udcff"): b"\0\xff", Path("b"): b""}
    assert unpack_files(pack_files(disk)).contents == disk.contents
    assert unpack_files(b"").contents == {}
