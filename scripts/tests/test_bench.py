# SPDX-License-Identifier: Apache-2.0
"""What `make bench` and `make bench-check` conclude from figures."""

import pytest

import bench
import bench_check


@pytest.mark.parametrize(("now", "fine"), [(1000.0, True), (1049.0, True), (1051.0, False), (500.0, True)])
def test_growth_of_more_than_five_percent_is_an_error(now, fine):
    assert bench_check.compare({"propose": 1000.0}, {"propose": now}) == fine


def test_a_path_without_a_figure_is_no_growth(capsys):
    assert bench_check.compare({}, {"propose": 1.0})
    assert "new" in capsys.readouterr().out


def figures(core, messages):
    """Figures in which raft-rs does 100 proposals a second, and 3 nodes at batch 64 are all there is."""
    measured = bench.Figures()
    row = bench.Row(3, 64, False, ("core", "raft-rs", "raft-rs-prost"))
    measured.rows[row] = {
        "core": {"proposals_per_second": core, "messages_per_proposal": messages},
        "raft-rs": {"proposals_per_second": 200.0, "messages_per_proposal": 8.0},
        "raft-rs-prost": {"proposals_per_second": 100.0, "messages_per_proposal": 8.0},
    }
    return measured


@pytest.mark.parametrize(("core", "messages", "met"), [(2000.0, 0.15, "yes"), (1999.0, 0.16, "**no**")])
def test_targets(core, messages, met):
    measured = figures(core, messages)
    speed = next(target for target in bench.TARGETS if target.what == "the same, batch 64")
    few = next(target for target in bench.TARGETS if target.what.startswith("messages per proposal"))
    assert f"| {met} |" in speed.line(measured)
    assert f"| {met} |" in few.line(measured)
    assert f"with its protobuf codec: {core / 200:.3g} x" in speed.line(measured)


def test_a_target_whose_peer_is_absent_is_not_met():
    measured = figures(5000.0, 0.1)
    for results in measured.rows.values():
        del results["raft-rs-prost"]
    line = next(target for target in bench.TARGETS if target.what == "the same, batch 64").line(measured)
    assert "not measured: protoc is not installed" in line
    assert "yes" not in line


@pytest.mark.parametrize(
    ("rounds", "proposals", "long_enough"),
    [(5, 400_000, True), (3, 100_000, True), (2, 400_000, False), (1, 20_000, False), (5, 99_999, False)],
)
def test_a_short_run_prints_figures_without_a_verdict(rounds, proposals, long_enough):
    assert bench.is_long_enough(rounds, proposals) == long_enough
    measured = figures(5000.0, 0.1)
    line = next(target for target in bench.TARGETS if target.what == "the same, batch 64").line(measured, long_enough)
    assert "50" in line
    assert ("| yes |" in line) == long_enough
    assert ("| too short to tell |" in line) != long_enough


def test_the_document_has_a_place_for_the_table():
    text = bench.DOCUMENT.read_text()
    assert text.count(bench.BEGIN) == text.count(bench.END) == 1
