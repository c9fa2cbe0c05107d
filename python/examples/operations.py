# SPDX-License-Identifier: Apache-2.0
"""What an operator does with a group of ``aio`` nodes: members come, go and are replaced.

To be called with the leader. NotLeader says to ask another node, ConfChangeError why the change
would come to nothing.
"""

import asyncio

from raftcore import ConfChange, ConfChangeKind, ConfChangeOp, ProgressState, aio


def is_caught_up(leader: aio.Node, id: int) -> bool:
    """Whether a member has nearly all of the leader's log."""
    status = leader.raw.status()
    member = status.progress.get(id)
    if member is None or member.state is not ProgressState.REPLICATE:
        return False
    return member.matched + 100 >= status.last.index


async def caught_up(leader: aio.Node, id: int) -> None:
    """Returns when it has."""
    while not is_caught_up(leader, id):
        await asyncio.sleep(0.01)


async def add(leader: aio.Node, id: int) -> None:
    """Makes a new node a voter. It runs already, on an empty storage, and its id was never used."""
    await leader.propose_conf_change(ConfChange.add_learner(id))
    await caught_up(leader, id)
    await leader.propose_conf_change(ConfChange.add_voter(id))


async def remove(leader: aio.Node, id: int) -> None:
    """Removes another member. Stop it afterwards: it may never learn of this."""
    await leader.propose_conf_change(ConfChange.remove(id))


async def replace(leader: aio.Node, dead: int, fresh: int) -> None:
    """Puts a new node in the place of a dead one: at no time has the group one more dead voter."""
    await leader.propose_conf_change(ConfChange.add_learner(fresh))
    await caught_up(leader, fresh)
    both = (
        ConfChangeOp(ConfChangeKind.ADD_VOTER, fresh),
        ConfChangeOp(ConfChangeKind.REMOVE, dead),
    )
    await leader.propose_conf_change(ConfChange(both))
