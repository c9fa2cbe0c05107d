# SPDX-License-Identifier: Apache-2.0
"""A node on an event loop: it ticks, has its work done in the right order, and reports to callers
what became of what they proposed.

Storage, state machine and transport are the program's, as a :class:`Host`. Everything runs on the
loop that entered the node; only ``Host.persist`` may leave it, with ``asyncio.to_thread`` say.
"""

from raftcore.aio.errors import (
    ConfChangeRefused,
    NodeStopped,
    NotLeader,
    OutcomeUnknown,
    Rejected,
    Superseded,
)
from raftcore.aio.host import Host
from raftcore.aio.node import Node

__all__ = [
    "ConfChangeRefused",
    "Host",
    "Node",
    "NodeStopped",
    "NotLeader",
    "OutcomeUnknown",
    "Rejected",
    "Superseded",
]
