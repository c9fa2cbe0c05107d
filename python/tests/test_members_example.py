# SPDX-License-Identifier: Apache-2.0
"""The operator's functions that are shown do what they are shown to do."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import operations

from aio_group import group, on_loop
from raftcore import ConfState


@on_loop
async def test_members_are_added_removed_and_replaced() -> None:
    async with group(3) as nodes:
        leader = await nodes.leader()
        own = leader.raw.id
        dead, other = (id for id in (1, 2, 3) if id != own)
        await leader.propose(b"one")
        await nodes.start(4)
        await operations.add(leader, 4)
        nodes.cut.add(dead)
        await nodes.start(5)
        await operations.replace(leader, dead, 5)

        def members() -> ConfState:
            return leader.raw.status().conf_state

        await nodes.until(lambda: not members().voters_outgoing)
        await operations.remove(leader, other)
        assert members() == ConfState(sorted([own, 4, 5]))
        await leader.propose(b"two")
        both = [b"one", b"two"]
        await nodes.until(lambda: nodes.hosts[4].applied == nodes.hosts[5].applied == both)
