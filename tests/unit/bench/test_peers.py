"""Peers are data: every configuration is filled whole, and Scopegate's own are valid."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import trustme

from bench.performance.driver import chosen, order
from bench.performance.peers import CONFIGS, DECIDER, OURS, PEERS, Peer, said_version, workers
from bench.performance.scenarios import SCENARIOS, SHARED
from bench.performance.targets import TARGETS
from bench.performance.world import NotMeasurableError, by_key, filled
from proxy.settings import Loaded, load_settings

PORTS = {"listen": "1001", "secure": "1002", "admin": "1003", "adapters": "1004", "origin": "1005", "secure_origin": "1006"}
EVERY = (*PEERS, DECIDER, workers(2))


def words(peer: Peer, directory: Path) -> dict[str, str]:
    places = {"directory": str(directory), "file": str(directory / "peer"), "ca": str(directory / "ca.pem")}
    return PORTS | places | dict(peer.words) | {"key_sha256": "0" * 64}


@pytest.mark.parametrize("peer", EVERY, ids=lambda peer: peer.key)
def test_nothing_is_left_to_fill_in(peer: Peer, tmp_path: Path) -> None:
    texts = [*peer.command, peer.base, peer.secure, peer.ready]
    if peer.config:
        texts.append((CONFIGS / peer.config).read_text())
    for text in texts:
        assert not re.search(r"@[a-z_]+@", filled(text, words(peer, tmp_path)))


@pytest.mark.parametrize("peer", [peer for peer in EVERY if peer.config == "scopegate.yaml"], ids=lambda peer: peer.key)
def test_our_own_configurations_are_valid(peer: Peer, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    file = tmp_path / "scopegate.yaml"
    file.write_text(filled((CONFIGS / peer.config).read_text(), words(peer, tmp_path)))
    loaded = load_settings(file, {})
    assert isinstance(loaded, Loaded), str(loaded)


def test_a_program_that_is_missing_has_no_version() -> None:
    assert said_version(("no-such-program", "--version")) == "missing"
    assert re.fullmatch(r"3\.\d+\.\d+", said_version((sys.executable, "--version")))


def test_who_asks_is_told_where() -> None:
    asking = [peer for peer in PEERS if peer.asks]
    assert {peer.key for peer in asking} == {"envoy-asking", "nginx-asking", "caddy-asking", "traefik-asking"}
    for peer in asking:
        text = (CONFIGS / peer.config).read_text()
        assert filled(text, words(peer, Path())) != filled(text, words(peer, Path()) | {"ask": ""})


def test_targets_name_peers_and_scenarios_that_exist() -> None:
    assert {target.scenario for target in TARGETS} <= {scenario.key for scenario in SCENARIOS}
    assert {target.peer for target in TARGETS} <= {peer.key for peer in PEERS} | {""}
    ours = next(peer for peer in PEERS if peer.key == OURS)
    for target in TARGETS:
        scenario = next(each for each in SCENARIOS if each.key == target.scenario)
        assert all(scenario.takes(peer) for peer in by_key([target.peer or OURS]))
        assert scenario.takes(ours)


def test_everybody_comes_first_once() -> None:
    keys = ["a", "b", "c"]
    assert [order(keys, number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert all(sorted(order(keys, number)) == keys for number in range(4))
    assert order([], 3) == []


def test_scenarios_are_chosen_by_how_their_names_begin() -> None:
    assert [each.key for each in chosen(["forward"])] == ["forward-32", "forward-256"]
    assert chosen([]) == [*SCENARIOS, *SHARED]
    with pytest.raises(NotMeasurableError, match="no such scenario; there are forward-32"):
        chosen(["backward"])


def test_peers_are_chosen_by_name() -> None:
    assert [peer.key for peer in by_key(["envoy", "scopegate"])] == ["scopegate", "envoy"]
    assert by_key([]) == list(PEERS)
    with pytest.raises(NotMeasurableError, match="no such peers: squid; there are scopegate"):
        by_key(["squid"])
