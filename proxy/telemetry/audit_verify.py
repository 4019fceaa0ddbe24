"""Reads an audit log from its first file to its last line, in bounded memory, and tells whether anything happened to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from proxy.credentials import Secret
from proxy.telemetry import audit_records, chain
from proxy.telemetry.audit_places import FULL_FILE, HEAD_SUFFIX, full_files, head_file
from proxy.telemetry.audit_records import Kind
from proxy.telemetry.chain import Chain, Tip
from proxy.telemetry.chain_check import Damage, Finding, Seen, Walk

MAX_FINDINGS: Final = 100
MAX_GAPS: Final = 1000


class VerifyError(Exception):
    """The log cannot be checked with what was given; the message says what is needed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A record that events are missing; times in milliseconds since the epoch."""

    file: str
    line: int
    missing: int
    since: int
    until: int


@dataclass
class Report:
    """What was found. `damage` is what should not be; gaps and notes are no damage."""

    files: list[str] = field(default_factory=list)
    lines: int = 0
    decisions: int = 0
    began: int = 0
    tip: Tip = chain.START
    algorithms: list[str] = field(default_factory=list)
    damage: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to check: with which keys, whether only a part of a log is given, and which line must be there (0: none)."""

    keys: tuple[Secret, ...] = ()
    partial: bool = False
    expected: Tip = chain.START


def verify(paths: Sequence[Path], wanted: Wanted) -> Report:
    """Check the log, or the files of a log, that `paths` name. Raise `VerifyError` or OSError where they cannot be read."""
    with ExitStack() as stack:
        source = _find(paths, stack)
        return _Verifier(source, wanted).run()


# --- which files


@dataclass(frozen=True, slots=True)
class _Source:
    """The files in order, the one that grows (if it is among them) already open, and the head file's content (None: not there)."""

    files: tuple[Path, ...]
    growing: Path | None
    opened: IO[bytes] | None
    head: bytes | None


def _find(paths: Sequence[Path], stack: ExitStack) -> _Source:
    named = [path for path in paths for path in (_logs_in(path) if path.is_dir() else [path])]
    growing = [path for path in named if head_file(path).exists() or (path.parent.is_dir() and full_files(path))]
    if len(growing) > 1:
        raise VerifyError("these are several logs: " + ", ".join(map(str, growing)) + "; check one at a time")
    if not growing:
        if len(named) == 1 and not FULL_FILE.search(named[0].name):
            return _Source((named[0],), named[0], stack.enter_context(named[0].open("rb")), None)
        return _Source(tuple(sorted(named, key=_first_number)), None, None, None)
    return _whole(growing[0], [path for path in named if path not in growing], stack)


def _logs_in(folder: Path) -> list[Path]:
    found = [path.with_name(path.name.removesuffix(HEAD_SUFFIX)) for path in sorted(folder.glob("*" + HEAD_SUFFIX))]
    if not found:
        raise VerifyError(f"there is no audit log with its head file in {folder}; name the files")
    return found


def _whole(path: Path, more: list[Path], stack: ExitStack) -> _Source:
    """The head is read first and the growing file opened before the others are listed: the log may grow while it is checked."""
    head = _content(head_file(path))
    opened = _opened(path, stack)
    full = [other for other in {*full_files(path), *more} if opened is None or not _same(other, opened)]
    files = sorted(full, key=_first_number)
    return _Source((*files, path) if opened is not None else tuple(files), path, opened, head)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _opened(path: Path, stack: ExitStack) -> IO[bytes] | None:
    """Open the file that grows; None in the moment in which a full one was set aside and the next is not there yet."""
    try:
        return stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        return None


def _same(path: Path, file: IO[bytes]) -> bool:
    return os.path.samestat(path.stat(), os.fstat(file.fileno()))


def _first_number(path: Path) -> int:
    with path.open("rb") as file:
        for _ in range(100):
            link = chain.read_link(file.readline(chain.MAX_LINE))
            if link is not None:
                return link.sequence
    return 0


# --- the check


class _Verifier:
    def __init__(self, source: _Source, wanted: Wanted) -> None:
        self._source = source
        self._wanted = wanted
        self._chains = [Chain(key) for key in wanted.keys]
        self._chain = self._chains[-1] if self._chains else Chain()
        self._walk = Walk()
        self._report = Report()
        self._kept_from = 0
        self._last_kind = ""
        self._marks: dict[int, list[tuple[bytes, str]]] = {}
        if wanted.expected.sequence:
            self._mark(wanted.expected, "this is another line than the one that --expect names")

    def run(self) -> Report:
        head = self._read_head()
        for path in self._source.files:
            self._file(path)
        self._walk.finish(head)
        self._judge_beginning()
        self._judge_end()
        self._judge_expected()
        return self._finished()

    def _finished(self) -> Report:
        report = self._report
        order = {name: number for number, name in enumerate(report.files)}
        report.damage.extend(self._walk.findings)
        report.damage.sort(key=lambda finding: (order.get(finding.file, -1), finding.line))
        report.tip, report.began = self._walk.tip, self._walk.began
        return report

    # --- files

    def _file(self, path: Path) -> None:
        growing = self._source.opened if path == self._source.growing else None
        self._report.files.append(str(path))
        if growing is not None:
            self._lines(str(path), growing, last=True)
            return
        with path.open("rb") as file:
            self._lines(str(path), file, last=False)

    def _lines(self, name: str, file: IO[bytes], *, last: bool) -> None:
        for number, line in enumerate(iter(lambda: file.readline(chain.MAX_LINE), b""), 1):
            if number == 1:
                self._first_line(name, line)
            if last and not line.endswith(b"\n") and line.startswith(b"{") and len(line) < chain.MAX_LINE:
                self._note(f"{name}:{number}: the last line is unfinished: it is being written, or the process was killed; not counted")
                return
            self._line(name, number, line)

    def _first_line(self, name: str, line: bytes) -> None:
        told = audit_records.read(line)
        algorithm, key_id = told.get("algorithm"), told.get("key_id")
        if told.get("record") != Kind.OPENED:
            self._add(Damage.REMOVED, name, 1, "the file does not begin with its first record: its beginning was removed or changed")
            return
        if algorithm == chain.PLAIN:
            self._plain_file(name)
            self._chain = Chain()
        else:
            self._chain = self._chain_for(name, key_id)
        self._report.algorithms.append(self._chain.algorithm)

    def _chain_for(self, name: str, key_id: object) -> Chain:
        found = [links for links in self._chains if links.key_id == key_id]
        if not found:
            raise VerifyError(f"{name} is chained with a key that was not given (its id is {key_id!s:.16}): use --key-file")
        return found[0]

    def _plain_file(self, name: str) -> None:
        if chain.KEYED in self._report.algorithms:
            self._add(Damage.KEY, name, 1, "this file is chained without the key, although files before it have it")

    def _line(self, name: str, number: int, line: bytes) -> None:
        self._report.lines += 1
        link = chain.read_link(line)
        whole = link is not None and self._chain.holds(line, link)
        self._walk.see(Seen(name, number, link, whole))
        if not whole or link is None:
            return
        if link.sequence in self._marks:
            self._compare(name, number, link.tip)
        if line.startswith(audit_records.MARK):
            self._record(name, number, line)
        else:
            self._report.decisions += 1
            self._last_kind = ""

    def _record(self, name: str, number: int, line: bytes) -> None:
        told: Mapping[str, Any] = audit_records.read(line)
        self._last_kind = str(told.get("record", ""))
        if self._last_kind == Kind.DELETED:
            self._kept_from = max(self._kept_from, int(told.get("kept_from", 0)))
        elif self._last_kind == Kind.GAP and len(self._report.gaps) < MAX_GAPS:
            since, until = audit_records.span(line)
            self._report.gaps.append(Gap(name, number, int(told.get("missing", 0)), since, until))
        elif self._last_kind == Kind.STARTED and not told.get("after_stop"):
            self._note(f"{name}:{number}: the proxy had ended without stopping in good order; its last events may be missing")

    # --- beginning, end, and what was noted elsewhere

    def _read_head(self) -> Tip | None:
        data, name = self._source.head, str(head_file(self._source.growing)) if self._source.growing else ""
        if not data:
            if not self._wanted.partial and self._source.growing is not None and (data is None or self._source.files):
                self._head_damage(name, "the head file is missing or empty: lines cut off at the end cannot be noticed")
            return None
        head = chain.read_head(data)
        if head is None:
            self._head_damage(name, "the head file cannot be read: lines cut off at the end cannot be noticed")
            return None
        if self._chains and not any(head.holds(links) for links in self._chains):
            self._head_damage(name, "the head file was not written with the key")
        if head.tip.sequence:
            self._mark(head.tip, "the head file names another line with this number: the log was made anew")
        return head.tip

    def _judge_beginning(self) -> None:
        began, files = self._walk.began, self._report.files
        if began <= max(1, self._kept_from) or self._wanted.partial or not files:
            return
        text = (
            f"lines 1 to {began - 1} are not here, and the log does not tell that they were deleted; name their files too, or use --partial"
        )
        self._report.damage.append(Finding(Damage.REMOVED, files[0], 1, 1, began - 1, text))

    def _judge_end(self) -> None:
        report = self._report
        if self._chains and report.algorithms and report.algorithms[-1] == chain.PLAIN:
            self._add(Damage.KEY, report.files[-1], 1, "this file is chained without the key that was given")
        unclosed = self._source.opened is None and self._last_kind != Kind.ROTATED
        if unclosed and not self._wanted.partial and self._source.head is None and report.files:
            self._add(
                Damage.CUT, report.files[-1], 0, "the file does not end with the record that closes it; lines after it may be missing"
            )

    def _judge_expected(self) -> None:
        expected = self._wanted.expected
        if expected.sequence and expected.sequence > self._walk.tip.sequence:
            text = f"line {expected.sequence} should be there and is not: the log was cut or made anew"
            self._add(Damage.CUT, self._report.files[-1] if self._report.files else "", 0, text)

    def _compare(self, name: str, number: int, tip: Tip) -> None:
        for wanted, text in self._marks[tip.sequence]:
            if wanted != tip.hash:
                self._add(Damage.CHANGED, name, number, text, tip.sequence)

    def _mark(self, tip: Tip, text: str) -> None:
        self._marks.setdefault(tip.sequence, []).append((tip.hash, text))

    def _head_damage(self, name: str, text: str) -> None:
        self._add(Damage.HEAD, name, 0, text)

    def _add(self, damage: Damage, name: str, line: int, text: str, sequence: int = 0) -> None:
        self._report.damage.append(Finding(damage, name, line, sequence, sequence, text))

    def _note(self, text: str) -> None:
        if len(self._report.notes) < MAX_FINDINGS:
            self._report.notes.append(text)


def as_json(report: Report) -> dict[str, object]:
    """Return a report as members for programs; at most 100 damages are listed, all are counted."""
    return {
        "ok": not report.damage,
        "files": report.files,
        "lines": report.lines,
        "decisions": report.decisions,
        "first_sequence": report.began,
        "last": {"sequence": report.tip.sequence, "hash": report.tip.hash.decode("ascii")},
        "damage_count": len(report.damage),
        "damage": [finding._asdict() for finding in shown(report.damage)],
        "gaps": [
            {"file": gap.file, "line": gap.line, "missing": gap.missing, "from": gap.since, "until": gap.until} for gap in report.gaps
        ],
        "notes": report.notes,
    }


def shown(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings that are listed."""
    yield from findings[:MAX_FINDINGS]
