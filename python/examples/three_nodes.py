# SPDX-License-Identifier: Apache-2.0
"""Three nodes in one process: one is elected, a command is replicated and applied everywhere."""

from raftcore import Config, ConfState, MemoryStorage, RawNode

members = ConfState([1, 2, 3])
storages = {id: MemoryStorage(members) for id in members.voters}
nodes = {id: RawNode(Config(id), storage) for id, storage in storages.items()}
nodes[1].campaign()
while busy := [node for node in nodes.values() if node.has_ready()]:
    for node in busy:
        ready = node.ready()
        storages[node.id].persist(ready)  # a host of its own writes to a disk, and syncs it
        for message in ready.messages:
            nodes[message.to].step(message.encode())  # ... and sends the bytes to a peer
        for entry in ready.committed_entries:
            if entry.data:
                print(f"node {node.id} applies {entry.data.decode()} as entry {entry.index}")
        node.advance(ready)
        if ready.soft_state and ready.soft_state.leader == node.id:
            print(f"node {node.id} leads, and proposes: {node.propose(b'hello')}")
