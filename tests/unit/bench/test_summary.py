"""Ratios are taken within rounds, and rounds that were refused count nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.performance.results import Reading, lines, read
from bench.performance.summary import Summary, with_added
from bench.performance.targets import TARGETS, Target
from tests.unit.bench.samples import costs, run


def test_the_median_leaves_refused_rounds_out() -> None:
    readings = [*costs("forward-32", "nginx", "cpu_us", 10, 12, 14), Reading("forward-32", "nginx", 4, {"cpu_us": 1000}, "broke")]
    assert Summary(readings).median("forward-32", "nginx", "cpu_us") == 12
    assert [each.round for each in Summary(readings).refused()] == [4]


def test_what_was_not_measured_has_no_median_and_no_ratio() -> None:
    summary = Summary(costs("forward-32", "nginx", "cpu_us", 10))
    assert summary.median("forward-32", "envoy", "cpu_us") is None
    assert summary.median("forward-32", "nginx", "p50_us") is None
    assert summary.ratio("forward-32", "nginx", "envoy", "cpu_us") is None


def test_a_ratio_is_the_median_of_ratios_and_not_the_ratio_of_medians() -> None:
    readings = [*costs("forward-32", "scopegate", "cpu_us", 10, 40, 30), *costs("forward-32", "envoy", "cpu_us", 20, 20, 30)]
    assert Summary(readings).ratio("forward-32", "scopegate", "envoy", "cpu_us") == 1.0


def test_a_ratio_counts_only_rounds_that_count_for_both() -> None:
    ours = [*costs("forward-32", "scopegate", "cpu_us", 10, 90), Reading("forward-32", "scopegate", 3, {"cpu_us": 90})]
    theirs = [*costs("forward-32", "envoy", "cpu_us", 20), Reading("forward-32", "envoy", 2, {"cpu_us": 1}, "broke")]
    assert Summary([*ours, *theirs]).ratio("forward-32", "scopegate", "envoy", "cpu_us") == 0.5


def test_what_a_proxy_adds_is_taken_within_the_round() -> None:
    readings = [*costs("latency-500", "origin", "p99_us", 100, 200), *costs("latency-500", "envoy", "p99_us", 150, 300)]
    added = Summary(with_added(readings, "origin"))
    assert list(added.values("latency-500", "envoy", "added_p99_us").values()) == [50, 100]
    assert added.values("latency-500", "origin", "added_p99_us") == {1: 0, 2: 0}


def test_without_the_origin_nothing_is_said_about_what_is_added() -> None:
    readings = [Reading("latency-500", "origin", 1, {"p99_us": 100}, "broke"), *costs("latency-500", "envoy", "p99_us", 150)]
    assert Summary(with_added(readings, "origin")).median("latency-500", "envoy", "added_p99_us") is None


@pytest.mark.parametrize(("ours", "met"), [(7, True), (8, True), (9, False)])
def test_a_target_is_met_up_to_its_bound(ours: float, met: bool) -> None:
    target = Target("CPU", "forward-32", "cpu_us", 0.8, peer="envoy")
    summary = Summary([*costs("forward-32", "scopegate", "cpu_us", ours), *costs("forward-32", "envoy", "cpu_us", 10)])
    seen = target.seen(summary, "scopegate")
    assert seen is not None
    assert target.met(seen) is met


def test_a_target_from_below() -> None:
    target = Target("MB/s", "download", "mb_per_core_second", 0.8, at_most=False, peer="envoy")
    assert target.met(0.9)
    assert not target.met(0.79)


def test_every_target_has_its_own_words() -> None:
    assert len({target.what for target in TARGETS}) == len(TARGETS)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = run([*costs("forward-32", "nginx", "cpu_us", 10.5), Reading("upload", "envoy", 1, {}, "took more than 40 s")])
    path = tmp_path / "run.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines(written)))
    assert read(path) == written
