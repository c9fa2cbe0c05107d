# SPDX-License-Identifier: Apache-2.0
"""The checker finds what is planted, accepts what is right, and agrees with a search through every order."""

import itertools
import random

import pytest

from linearizability import READ, WRITE, Operation, check_register


def write(value, invoked, returned):
    return Operation(WRITE, value, invoked, returned)


def read(value, invoked, returned):
    return Operation(READ, value, invoked, returned)


def test_one_client_after_another_is_linearizable():
    assert check_register([write("a", 0, 1), read("a", 2, 3), write("b", 4, 5), read("b", 6, 7)])


def test_a_read_during_a_write_may_return_either_value():
    assert check_register([write("a", 0, 1), write("b", 2, 9), read("a", 3, 4), read("b", 5, 6)])


def test_two_reads_during_a_write_may_not_go_back_in_time():
    assert not check_register([write("a", 0, 1), write("b", 2, 9), read("b", 3, 4), read("a", 5, 6)])


def test_a_stale_read_is_found_and_named():
    verdict = check_register([write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)])
    assert not verdict
    assert "read 'a'" in verdict.reason


def test_a_lost_acknowledged_write_is_found():
    assert not check_register([write("a", 0, 1), read(None, 2, 3)])


def test_a_value_that_nobody_wrote_is_found():
    assert not check_register([write("a", 0, 1), read("x", 2, 3)])


def test_an_unknown_write_may_have_happened_or_not_but_not_both():
    lost = write("b", 2, None)
    before = write("a", 0, 1)
    assert check_register([before, lost, read("a", 4, 5)])
    assert check_register([before, lost, read("a", 4, 5), read("b", 90, 91), read("b", 92, 93)])
    assert not check_register([before, lost, read("b", 4, 5), read("a", 6, 7)])


def test_an_unknown_write_takes_effect_at_most_once():
    history = [write("b", 0, None), read("b", 1, 2), write("c", 3, 4), read("c", 5, 6), read("b", 7, 8)]
    assert not check_register(history)


def test_nothing_takes_effect_before_its_invocation():
    assert not check_register([read("a", 0, 1), write("a", 2, 3)])
    assert not check_register([read("a", 0, 1), write("a", 2, None)])


def test_operations_that_meet_in_one_instant_overlap():
    assert check_register([write("a", 0, 5), read(None, 5, 6)])


def test_two_writes_of_one_value_are_refused():
    with pytest.raises(ValueError, match="two writes"):
        check_register([write("a", 0, 1), write("a", 2, 3)])


def simulate(seed, operations, clients, unknown):
    """A history of a real register: every operation takes effect at a random moment inside its interval."""
    rng = random.Random(seed)
    free_at = [0] * clients
    planned = []
    for number in range(operations):
        client = rng.randrange(clients)
        invoked = free_at[client] + rng.randint(1, 10)
        effect = invoked + rng.randint(1, 20)
        returned = effect + rng.randint(1, 20)
        free_at[client] = returned
        is_write = rng.random() < 0.5
        planned.append((effect, number, invoked, returned, is_write, rng.random() < unknown, rng.random() < 0.5))
    value = None
    history = []
    for _, number, invoked, returned, is_write, is_unknown, happens in sorted(planned):
        if not is_write:
            history.append(read(value, invoked, returned))
        elif is_unknown:
            history.append(write(number, invoked, None))
            value = number if happens else value
        else:
            history.append(write(number, invoked, returned))
            value = number
    return history


@pytest.mark.parametrize("seed", range(20))
def test_histories_of_a_real_register_are_accepted(seed):
    assert check_register(simulate(seed, operations=400, clients=5, unknown=0.05))


@pytest.mark.parametrize("seed", range(20))
def test_one_stale_read_planted_in_a_long_history_is_found(seed):
    history = sorted(simulate(seed, operations=400, clients=5, unknown=0.05), key=lambda operation: operation.invoked)
    writes = [operation for operation in history if operation.kind == WRITE and operation.returned is not None]
    old = writes[len(writes) // 2]
    newer = next(operation for operation in writes if operation.invoked > old.returned)
    end = max(operation.returned or 0 for operation in history)
    assert newer.returned < end
    assert not check_register([*history, read(old.value, end + 1, end + 2)])


@pytest.mark.parametrize("seed", range(10))
def test_the_search_stays_small_however_long_the_history(seed):
    verdict = check_register(simulate(seed, operations=3000, clients=4, unknown=0.02))
    assert verdict
    assert verdict.configurations < 2000


def in_some_order(history):
    """The definition itself: try every subset of the unknown writes and every order that real time allows."""
    known = [operation for operation in history if operation.returned is not None]
    unknown = [operation for operation in history if operation.returned is None and operation.kind == WRITE]
    for size in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, size):
            if any(_runs(order) for order in itertools.permutations([*known, *chosen])):
                return True
    return False


def _runs(order):
    value = None
    latest_invocation = -1
    for operation in order:
        if operation.returned is not None and operation.returned < latest_invocation:
            return False
        latest_invocation = max(latest_invocation, operation.invoked)
        if operation.kind == READ and operation.value != value:
            return False
        if operation.kind == WRITE:
            value = operation.value
    return True


def test_agrees_with_the_definition_on_small_histories():
    rng = random.Random(7)
    verdicts = {True: 0, False: 0}
    for _ in range(1500):
        history = []
        writes = rng.randint(1, 3)
        for value in range(writes):
            invoked = rng.randint(0, 10)
            returned = None if rng.random() < 0.3 else invoked + rng.randint(1, 6)
            history.append(write(value, invoked, returned))
        for _ in range(rng.randint(1, 3)):
            invoked = rng.randint(0, 14)
            history.append(read(rng.choice([None, *range(writes)]), invoked, invoked + rng.randint(1, 4)))
        expected = in_some_order(history)
        verdicts[expected] += 1
        assert bool(check_register(history)) == expected, history
    assert min(verdicts.values()) > 200, verdicts
