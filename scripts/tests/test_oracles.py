# SPDX-License-Identifier: Apache-2.0
"""Each oracle finds what it is there for, and nothing else."""

from oracles import Increment, check_counter, check_set


def test_a_sound_counter_passes_with_and_without_the_unknown_increment():
    history = [Increment(0, 1, 1), Increment(2, 5, 3), Increment(3, 4, 2), Increment(6, None, None)]
    assert check_counter(history, final=3) == []
    assert check_counter(history, final=4) == []


def test_a_repeated_reply_is_found():
    assert "two increments returned 1" in check_counter([Increment(0, 1, 1), Increment(2, 3, 1)], final=2)


def test_a_reply_that_goes_back_in_time_is_found():
    violations = check_counter([Increment(0, 1, 2), Increment(2, 3, 1)], final=2)
    assert violations == ["an increment returned 1 although 2 had been returned before it began"]


def test_a_lost_increment_is_found():
    assert check_counter([Increment(0, 1, 1), Increment(2, 3, 2)], final=1)


def test_an_increment_that_was_executed_twice_is_found():
    assert check_counter([Increment(0, 1, 1), Increment(2, None, None)], final=3)


def test_lost_and_wrong_keys_are_found():
    present = {"a": b"a", "b": b"x", "c": None}
    assert check_set(["a"], present) == []
    assert len(check_set(["a", "b", "c", "d"], present)) == 3
