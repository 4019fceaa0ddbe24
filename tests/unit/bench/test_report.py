"""The page and the picture say what was measured, the lost rows too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.performance.picture import draw
from bench.performance.publishing import BEGIN, END, PAGE, PICTURE, between, publish
from bench.performance.results import Reading
from bench.performance.tables import document, number, ratio
from tests.unit.bench.samples import costs, run
from tests.unit.docs.pages import ROOT, rows, section

READINGS = [
    *costs("forward-32", "scopegate", "cpu_us", 50, 52, 54),
    *costs("forward-32", "nginx", "cpu_us", 20, 20, 20),
    *costs("forward-32", "envoy", "cpu_us", 60, 60, 60),
    *costs("forward-32", "envoy-asking", "cpu_us", 5000, 5000, 5000),
    *costs("deny-32", "scopegate", "per_core_second", 20000),
    *costs("deny-32", "envoy", "per_core_second", 40000),
    *costs("memory", "scopegate", "idle_mib", 55.5),
    *costs("workers-forward", "workers-1", "per_second", 1000),
    *costs("workers-forward", "workers-2", "per_second", 1500),
    Reading("upload", "envoy", 1, {}, "2 of 2 answers were not 2xx | 0 broke"),
]
TEXT = document(run(READINGS))


def test_targets_say_what_is_met_and_what_is_not() -> None:
    told = {row[0]: row[1:] for row in rows(section(TEXT, "### Targets"))}
    assert told["CPU per forwarded request, as part of Envoy's; 32 connections"] == ["at most 0.8", "0.87", "**not met**", "–", "–"]
    assert told["CPU per forwarded request, as part of nginx's; 32 connections"] == ["at most 4, better 3", "2.60", "met", "–", "–"]
    assert told["Resident memory when idle, MiB"] == ["under 60", "55.50", "met", "–", "–"]


def test_targets_that_were_not_measured_are_left_out() -> None:
    assert "mitmproxy" not in section(TEXT, "### Targets")


def test_without_us_there_are_no_targets() -> None:
    assert "### Targets" not in document(run(costs("forward-32", "nginx", "cpu_us", 20)))


def test_medians_and_ratios_stand_beside_each_other() -> None:
    assert rows(section(TEXT, "### Forwarding")) == [
        ["Scopegate", "52.0", "–"],
        ["nginx", "20.0", "2.60"],
        ["Envoy", "60.0", "0.87"],
        ["Envoy, `ext_authz`", "5,000.0", "0.010"],
    ]


def test_a_lost_row_is_told() -> None:
    assert ["Denials per second of CPU, as part of Envoy's `direct_response`", "at least 1", "0.50", "**not met**", "–", "–"] in rows(TEXT)


def test_two_workers_are_a_factor() -> None:
    assert rows(section(TEXT, "### Two workers on two cores"))[0][:4] == ["forwards", "1,000", "1,500", "1.50"]


def test_rounds_that_do_not_count_are_told() -> None:
    assert rows(section(TEXT, "### Rounds that do not count")) == [["upload", "1", "envoy", "2 of 2 answers were not 2xx / 0 broke"]]
    assert section(document(run(READINGS[:-1])), "### Rounds that do not count").strip() == "None."


def test_it_says_who_did_what_in_which_version() -> None:
    assert ["nginx", "1.22.1", "`proxy_pass`"] in rows(section(TEXT, "### What each one did"))


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (1234.56, "1,234.6"), (0.0, "0.0")])
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.8, "0.80"), (0.0333, "0.033"), (4.0, "4.00"), (-0.5, "-0.50")])
def test_ratios(value: float | None, text: str) -> None:
    assert ratio(value) == text


def test_the_picture_is_an_svg_with_a_bar_for_each_figure() -> None:
    picture = ElementTree.fromstring(draw(run(READINGS)))
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("Scopegate") == 2
    assert {"52.0", "20.0", "5,000", "40,000"} <= set(texts)
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}path"))) == 1  # one bar is too long, and cut


def test_bars_stay_within_the_picture() -> None:
    picture = ElementTree.fromstring(draw(run(READINGS)))
    whole = float(picture.attrib["width"])
    for each in picture.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(each.attrib["x"]) + float(each.attrib["width"]) <= whole


def test_a_crowded_machine_is_told() -> None:
    quiet = run(READINGS)
    crowded = replace(quiet, about=replace(quiet.about, busy=0.5))
    for show in (document, draw):
        assert "wander" in show(crowded)
        assert "wander" not in show(quiet)


def test_a_picture_of_nothing_is_a_picture() -> None:
    ElementTree.fromstring(draw(run([])))


def test_only_what_is_between_the_marks_changes() -> None:
    assert between(f"a\n{BEGIN}\nold\n{END}\nb\n", "new\n") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"


def test_a_page_without_marks_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="marks"):
        between(f"a {BEGIN} b", "new")


def test_publishing_twice_is_publishing_once(tmp_path: Path) -> None:
    for file in (PAGE, PICTURE):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / PAGE).write_text((ROOT / PAGE).read_text())
    publish(run(READINGS), tmp_path)
    once = (tmp_path / PAGE).read_text()
    publish(run(READINGS), tmp_path)
    assert (tmp_path / PAGE).read_text() == once
    assert "| Scopegate | 52.0 |" in once
    assert (tmp_path / PICTURE).read_text().startswith("<svg")
