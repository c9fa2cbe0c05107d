# SPDX-License-Identifier: Apache-2.0
"""Reading what one particular kvd node has applied.

Only the leader answers reads, so each node in turn is made the leader and asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from itertools import islice

from kvd_harness import REFUSALS, Cluster

_KEYS_PER_BATCH = 200


def read_from(cluster: Cluster, node: int, keys: Iterable[str]) -> dict[str, bytes | None]:
    """The values of the keys as `node` answers while it leads. Raises ClusterError if it does not come to lead in time,
    redis.RedisError if it does not answer."""
    wanted = list(keys)
    while True:
        cluster.make_leader(node)
        # Should another node come to lead meanwhile, it is made the leader again.
        with contextlib.suppress(*REFUSALS):
            return _read(cluster, node, wanted)


def _read(cluster: Cluster, node: int, keys: list[str]) -> dict[str, bytes | None]:
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
