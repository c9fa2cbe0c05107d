# SPDX-License-Identifier: Apache-2.0
"""The list of mutations fits the tree, and the runner's own parts do what they say."""

import argparse

import pytest

import mutants


def test_every_mutation_fits_the_tree_exactly_once():
    assert mutants.misfits(mutants.load()) == []


def test_there_are_many_and_each_has_a_name_of_its_own():
    names = [mutation.name for mutation in mutants.load()]
    assert len(names) >= 30
    assert len(set(names)) == len(names)


def test_a_mutation_that_does_not_fit_is_refused(tmp_path):
    (tmp_path / "file").write_text("a b a")
    twice = mutants.Mutation("twice", "", (mutants.Edit("file", "a", "c"),))
    with pytest.raises(mutants.MutationError, match="found 2 times"):
        twice.apply(tmp_path)
    assert (tmp_path / "file").read_text() == "a b a"
    mutants.Mutation("once", "", (mutants.Edit("file", "b", "c"),)).apply(tmp_path)
    assert (tmp_path / "file").read_text() == "a c a"


def test_the_row_counts_what_was_not_found_as_the_limit():
    mutation = mutants.Mutation("name", "why", ())
    found = mutants.Verdict(mutation, [(3, "A", ""), (9, "B", ""), (4, "B", "")])
    assert found.is_noticed
    assert found.row(100) == "| name | why | B, A | 4 | 9 |"
    missed = mutants.Verdict(mutation, [(3, "A", ""), None])
    assert not missed.is_noticed
    assert missed.row(100).endswith("| over 100 |")


def fake_simulator(tmp_path, text):
    program = tmp_path / "sim"
    program.write_text(f"#!/bin/sh\n[ $1 = --help ] && exec echo --jobs\n{text}\n")
    program.chmod(0o755)
    return program


def test_only_options_that_the_simulator_knows_are_used(tmp_path):
    assert mutants.options(fake_simulator(tmp_path, "")) == ["--jobs", "1"]


def test_the_hunt_reads_what_the_simulator_prints(tmp_path):
    line = "seed 1004: after 17 events: ElectionSafety: 1 and 2 lead"
    program = fake_simulator(tmp_path, f"echo 'a line'; echo '{line}'; sleep 60")
    assert mutants.hunt(program, 1000, 50, timeout=30) == (5, "ElectionSafety", "1 and 2 lead")
    assert mutants.hunt(fake_simulator(tmp_path, "echo 'seeds: 50'"), 1000, 50, timeout=30) is None


def test_a_scenario_may_show_what_seeds_do_not(tmp_path):
    lines = "echo 'some/where/x.scenario (4): after 17 events: Liveness: nobody leads'; exit 1"
    found = mutants.rehearse(fake_simulator(tmp_path, lines), timeout=30)
    assert found == (mutants.BY_SCENARIO, "Liveness", "x.scenario: nobody leads")
    verdict = mutants.Verdict(mutants.Mutation("name", "why", ()), [found])
    assert verdict.is_noticed
    assert verdict.row(100) == "| name | why | Liveness | over 100 | a scenario |"
    assert mutants.rehearse(fake_simulator(tmp_path, "echo 'seeds: 50'"), timeout=30) is None


def test_a_simulator_that_hangs_is_no_finding(tmp_path):
    with pytest.raises(TimeoutError):
        mutants.hunt(fake_simulator(tmp_path, "exec sleep 60"), 1000, 50, timeout=0.2)


def test_an_interrupted_campaign_goes_on_where_it_was(tmp_path):
    def record(*, seeds=50, resume=True):
        arguments = argparse.Namespace(seeds=seeds, ranges=2, resume=resume)
        return mutants.Record(tmp_path / "verdicts.json", arguments)

    mutation = mutants.Mutation("name", "why", (mutants.Edit("file", "a", "b"),))
    found = mutants.Verdict(mutation, [(3, "A", "detail"), None])
    broken = mutants.Mutation("broken", "why", ())
    first = record(resume=False)
    first.keep(found)
    first.keep(mutants.Verdict(broken, problem="no end"))
    assert record().find(mutation) == found
    assert record().find(broken) is None
    another = mutants.Mutation("name", "why", (mutants.Edit("file", "a", "c"),))
    assert record().find(another) is None
    assert record(seeds=51).find(mutation) is None
    assert record(resume=False).find(mutation) is None
