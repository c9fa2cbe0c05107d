# SPDX-License-Identifier: Apache-2.0
"""What becomes of proposals: every one whose fate is known gets one answer, and what a state
machine or the group refuses is an answer and not the end of the node."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import typing
from types import ModuleType

import pytest

import raftcore
from aio_group import Group, Memory, group, on_loop
from raftcore import (
    ConfChange,
    ConfChangeError,
    Config,
    ConfState,
    DecodeError,
    Entry,
    EntryId,
    EntryKind,
    HardState,
    RaftError,
    aio,
)
from raftcore.aio.waiting import Proposals


@on_loop
async def test_on_an_idle_group_all_proposals_of_a_deposed_leader_are_superseded() -> None:
    """The new leader's one entry takes the place of the first; terms never fall along a log."""
    async with group(3) as three:
        old = await three.leader()
        three.cut = {old.raw.id}
        lost = [asyncio.create_task(old.propose(b"%d" % number)) for number in range(10)]
        await three.leader()
        three.cut = set()
        for outcome in await asyncio.gather(*lost, return_exceptions=True):
            assert isinstance(outcome, aio.Superseded)
        assert not old._proposals._waiting


Place = tuple[int, int]

CASES = [
    # term and index of proposals, the entry that is applied, and who learns what then
    ([(2, 5), (2, 6), (2, 9)], (3, 5), {(2, 5), (2, 6), (2, 9)}),
    ([(2, 5), (2, 6), (3, 9)], (3, 4), {(2, 5), (2, 6)}),
    ([(2, 6), (4, 9)], (2, 5), set()),
    ([(3, 5), (2, 5)], (4, 5), {(3, 5), (2, 5)}),
]


@pytest.mark.parametrize(("proposed", "applied", "lost"), CASES)
def test_an_applied_entry_decides_over_what_is_older(
    proposed: list[Place], applied: Place, lost: set[Place]
) -> None:
    asyncio.run(outcomes_of(proposed, lambda all: all.applied(EntryId(*applied), "done"), lost))


@pytest.mark.parametrize(
    ("proposed", "lost", "unknown"),
    [
        ([(2, 5), (3, 5), (4, 5)], {(4, 5)}, {(2, 5), (3, 5)}),
        ([(2, 8), (3, 8)], {(2, 8)}, {(3, 8)}),
        ([(2, 9), (3, 9), (4, 9)], {(2, 9)}, set()),
    ],
)
def test_a_snapshot_decides_over_what_it_can(
    proposed: list[Place], lost: set[Place], unknown: set[Place]
) -> None:
    """One at index 8 of term 3."""
    asyncio.run(outcomes_of(proposed, lambda all: all.covered(EntryId(3, 8)), lost, unknown))


async def outcomes_of(
    proposed: list[Place],
    happens: typing.Callable[[Proposals], None],
    lost: set[Place],
    unknown: typing.Collection[Place] = (),
) -> None:
    proposals = Proposals()
    tasks = {place: asyncio.create_task(proposals.wait(EntryId(*place))) for place in proposed}
    await asyncio.sleep(0)
    happens(proposals)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for place, task in tasks.items():
        if place in lost:
            assert isinstance(task.exception(), aio.Superseded)
        elif place in unknown:
            assert isinstance(task.exception(), aio.OutcomeUnknown)
        else:
            assert not task.done()
            task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert not proposals._waiting


class NoNumber(aio.Rejected):
    pass


class Adder(Memory):
    """A sum, which refuses what is no number."""

    sum = 0

    def apply(self, entry: Entry) -> object:
        try:
            number = int(entry.data or b"0")
        except ValueError as error:
            raise NoNumber(entry.data) from error
        self.sum += number
        return self.sum


@on_loop
async def test_what_apply_rejects_is_an_answer_and_every_node_goes_on() -> None:
    three = Group(range(1, 4))
    for id in three.members:
        three.hosts[id] = Adder(id, three)
    async with three.stack:
        for id in three.members:
            await three.start(id)
        leader = await three.leader()
        assert await leader.propose(b"3") == 3
        for _ in range(3):
            with pytest.raises(NoNumber) as raised:
                await leader.propose(b"x")
            assert isinstance(raised.value.__cause__, ValueError)
        assert await leader.propose(b"4") == 7
        await three.until(lambda: all(host.sum == 7 for host in three.hosts.values()))  # type: ignore[attr-defined]


@on_loop
async def test_any_other_exception_of_apply_stops_the_node_and_names_the_entry() -> None:
    one = Group(range(1, 2))

    async def life() -> None:
        async with one.stack:
            node = await one.start(1)
            await one.leader()
            one.hosts[1].apply = lambda entry: 1 // 0  # type: ignore[method-assign]
            with pytest.raises(aio.NodeStopped) as raised:
                await node.propose(b"x")
            assert isinstance(raised.value.__cause__, ZeroDivisionError)

    with pytest.raises(ZeroDivisionError) as raised:
        await life()
    (note,) = raised.value.__notes__
    assert note.startswith("Host.apply raised this for entry ")


IMPOSSIBLE = [ConfChange.remove(1).encode(), b"\xff\xff"]


@pytest.mark.parametrize("change", IMPOSSIBLE)
def test_a_committed_change_that_is_impossible_changes_nothing_at_each_start(change: bytes) -> None:
    one = Group(range(1, 2))
    host = Memory(1, one)
    taken: list[ConfState] = []
    host.apply_conf_change = lambda entry, conf_state: taken.append(conf_state)  # type: ignore[method-assign]
    host.storage.append([Entry(1, 2, change, EntryKind.CONF_CHANGE_V2)])
    host.storage.set_hard_state(HardState(1, 0, 2))

    async def life() -> None:
        async with aio.Node(Config(1), host.storage, host, tick_seconds=0.005) as node:
            await one.until(lambda: node.is_leader)
            assert await node.propose(b"x") == "X"

    async def lives() -> None:
        await life()
        await life()

    node = raftcore.RawNode(Config(1), host.storage)
    with pytest.raises((ConfChangeError, DecodeError)):
        node.apply_conf_change(Entry(1, 2, change, EntryKind.CONF_CHANGE_V2))
    on_loop(lives)()
    assert taken == [ConfState([1])] * 2


@on_loop
async def test_an_impossible_change_is_an_error_where_it_was_proposed() -> None:
    one = Group(range(1, 2))
    host = Memory(1, one)
    config = Config(1, validate_conf_changes=False)
    async with aio.Node(config, host.storage, host) as node:
        node.raw.campaign()
        node.wake()
        await one.until(lambda: node.is_leader)
        for _ in range(2):
            with pytest.raises((aio.ConfChangeRefused, ConfChangeError)):
                await node.propose_conf_change(ConfChange.remove(1))
        assert await node.propose(b"x") == "X"


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(raftcore.__path__, "raftcore.")
    names = [module.name for module in found if not module.name.endswith("._raftcore")]
    return [raftcore, *map(importlib.import_module, names)]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_the_types_of_everything_public_can_be_resolved(module: ModuleType) -> None:
    for name in module.__all__:
        thing = getattr(module, name)
        members = list(vars(thing).values()) if inspect.isclass(thing) else []
        functions = [thing, *members, *(getattr(member, "fget", None) for member in members)]
        for function in functions:
            if inspect.isfunction(function) or inspect.isclass(function):
                typing.get_type_hints(function)


def test_what_the_library_raises_by_itself_is_a_raft_error() -> None:
    for module in (raftcore.errors, aio):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) and issubclass(thing, BaseException):
                assert issubclass(thing, RaftError)
