# SPDX-License-Identifier: Apache-2.0
"""Nodes on an event loop: callers learn what became of what they asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from aio_group import Group, group, on_loop
from raftcore import ConfChange, ConfChangeError, ConfState, aio


@on_loop
async def test_a_proposal_returns_what_applying_it_returned() -> None:
    async with group(3) as three:
        leader = await three.leader()
        assert await leader.propose(b"x") == "X"
        many = await asyncio.gather(*(leader.propose(b"y%d" % n) for n in range(100)))
        assert many == [f"Y{n}" for n in range(100)]
        await three.until(lambda: all(len(h.applied) == 101 for h in three.hosts.values()))


@on_loop
async def test_a_follower_names_the_leader() -> None:
    async with group(3) as three:
        leader = await three.leader()
        with pytest.raises(aio.NotLeader) as raised:
            await three.follower().propose(b"x")
        assert raised.value.leader == leader.raw.id
        with pytest.raises(aio.NotLeader):
            await three.follower().propose_conf_change(ConfChange.remove(1))


@on_loop
async def test_a_read_barrier_waits_for_what_was_acknowledged() -> None:
    async with group(3) as three:
        leader = await three.leader()
        for number in range(20):
            await leader.propose(b"%d" % number)
            reader = three.follower()
            await reader.read_barrier()
            assert three.hosts[reader.raw.id].applied[-1] == b"%d" % number


@on_loop
async def test_a_read_barrier_is_asked_again_until_there_is_a_quorum() -> None:
    async with group(3) as three:
        leader = await three.leader()
        await leader.propose(b"x")
        three.cut = {1, 2, 3}
        barrier = asyncio.create_task(leader.read_barrier())
        await three.until(lambda: not leader.is_leader)
        assert not barrier.done()
        three.cut = set()
        await barrier


@on_loop
async def test_a_proposal_of_a_deposed_leader_is_superseded() -> None:
    async with group(3) as three:
        old = await three.leader()
        three.cut = {old.raw.id}
        lost = asyncio.create_task(old.propose(b"lost"))
        new = await three.leader()
        assert await new.propose(b"kept") == "KEPT"
        three.cut = set()
        with pytest.raises(aio.Superseded):
            await lost
        assert b"lost" not in three.hosts[new.raw.id].applied


@on_loop
async def test_under_a_snapshot_the_outcome_is_unknown() -> None:
    async with group(3) as three:
        old = await three.leader()
        three.cut = {old.raw.id}
        lost = asyncio.create_task(old.propose(b"lost"))
        new = await three.leader()
        for number in range(5):
            await new.propose(b"%d" % number)
        for host in three.hosts.values():
            if host.id != old.raw.id:
                await host.compact_at(5)
        three.cut = set()
        with pytest.raises(aio.OutcomeUnknown):
            await lost
        await three.until(lambda: len(three.hosts[old.raw.id].applied) == 5)


@on_loop
async def test_the_membership_changes_and_new_members_catch_up() -> None:
    async with group(3) as three:
        leader = await three.leader()
        await leader.propose(b"x")
        await three.start(4)
        assert await leader.propose_conf_change(ConfChange.add_learner(4)) == ConfState(
            [1, 2, 3], [4]
        )
        assert await leader.propose_conf_change(ConfChange.add_voter(4)) == ConfState([1, 2, 3, 4])
        await three.until(lambda: three.hosts[4].applied == [b"x"])


@on_loop
async def test_a_second_change_at_the_same_time_is_refused() -> None:
    async with group(1) as one:
        leader = await one.leader()
        first = asyncio.create_task(leader.propose_conf_change(ConfChange.add_learner(2)))
        second = asyncio.create_task(leader.propose_conf_change(ConfChange.add_learner(3)))
        assert await first == ConfState([1], [2])
        with pytest.raises(ConfChangeError, match="pending"):
            await second


@on_loop
async def test_a_change_that_can_do_nothing_is_refused_with_the_reason() -> None:
    async with group(1) as one:
        leader = await one.leader()
        with pytest.raises(ConfChangeError, match="no voter"):
            await leader.propose_conf_change(ConfChange.remove(1))
        with pytest.raises(ConfChangeError, match="no member"):
            await leader.propose_conf_change(ConfChange.remove(9))


@on_loop
async def test_promises_leave_only_after_what_they_promise_is_stored() -> None:
    async with group(3) as three:
        leader = await three.leader()
        for number in range(20):
            await leader.propose(b"%d" % number)
        for host in three.hosts.values():
            for before, event in zip(host.events, host.events[1:], strict=False):
                assert event != "promise" or before in ("persisted", "promise")


@on_loop
async def test_a_failing_disk_stops_the_node_and_tells_everybody() -> None:
    one = Group(range(1, 2))

    async def life() -> None:
        async with one.stack:
            node = await one.start(1)
            await one.leader()
            one.hosts[1].failure = OSError("disk on fire")
            waiting: list[Awaitable[object]] = [node.propose(b"x"), node.propose(b"y")]
            for outcome in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(outcome, aio.NodeStopped)
            with pytest.raises(OSError, match="disk on fire"):
                await node.stopped()
            for late in (node.propose(b"z"), node.read_barrier()):
                with pytest.raises(aio.NodeStopped):
                    await late
            with pytest.raises(aio.NodeStopped):
                node.receive(b"")

    with pytest.raises(OSError, match="disk on fire"):
        await life()


@on_loop
async def test_a_cancelled_proposal_disturbs_nobody() -> None:
    async with group(3) as three:
        leader = await three.leader()
        three.cut = {1, 2, 3}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await leader.propose(b"x")
        three.cut = set()
        leader = await three.leader()
        assert await leader.propose(b"y") == "Y"


@on_loop
async def test_leaving_ends_all_that_waits() -> None:
    async with group(3) as three:
        leader = await three.leader()
        three.cut = {1, 2, 3}
        proposal = asyncio.create_task(leader.propose(b"x"))
        barrier = asyncio.create_task(leader.read_barrier())
        await asyncio.sleep(0)
    for task in (proposal, barrier):
        with pytest.raises(aio.NodeStopped):
            await task
