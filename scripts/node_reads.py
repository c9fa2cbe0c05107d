# SPDX-License-Identifier: Apache-2.0
"""Reading what one particular kvd node has applied.

Only the leader answers reads, so each node in turn is made the leader and asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import islice

import redis

from kvd_harness import Cluster, wait_until

_KEYS_PER_BATCH = 200


def lead(cluster: Cluster, node: int, timeout: float = 60.0) -> None:
    """Makes `node` the leader. Raises ClusterError if that does not come about in time."""

    def leads() -> bool:
        leader = cluster.leader()
        if leader == node:
            return True
        with contextlib.suppress(redis.RedisError), cluster.client(leader) as client:
            client.execute_command("RAFT.TRANSFER", str(node))
        return False

    wait_until(leads, timeout, f"node {node} leading", interval=0.2)


def read_from(cluster: Cluster, node: int, keys: Iterable[str]) -> dict[str, bytes | None]:
    """The values of the keys as `node` answers while it leads. Raises redis.RedisError if it does not lead any more."""
    found: dict[str, bytes | None] = {}
    with cluster.client(node, decode_responses=False) as client:
        for batch in _batches(keys):
            pipeline = client.pipeline(transaction=False)
            for key in batch:
                pipeline.get(key)
            found.update(zip(batch, pipeline.execute(), strict=True))
    return found


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, _KEYS_PER_BATCH)):
        yield batch
